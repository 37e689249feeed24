// From a Status to what a C caller sees: a result and a sentence.
#pragma once

#include <string>

#include "bindings/nccl/nccl.h"
#include "sluice/status.hpp"

namespace sluice::nccl {

/// Errc has ncclResult_t's numbers; an abort, which NCCL has no number for, came from elsewhere.
constexpr ncclResult_t result_of(const Status& status) {
  return status.code() == Errc::kAborted ? ncclRemoteError
                                         : static_cast<ncclResult_t>(status.code());
}

/// What the caller gets for `status`. An error's sentence (this thread's last_error()) is kept for
/// ncclGetLastError(), of the process and, when given, of the communicator.
ncclResult_t conclude(ncclComm* comm, const Status& status);
inline ncclResult_t conclude(const Status& status) { return conclude(nullptr, status); }

/// Makes an error: logs `text` and keeps it.
Status bad_argument(std::string text);
Status bad_usage(std::string text);

/// The sentence of the process's last error, "" when there was none.
std::string last_sentence();

/// A copy for a C caller, valid until this thread's next call.
const char* lend(std::string text);

}  // namespace sluice::nccl
