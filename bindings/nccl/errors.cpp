#include "bindings/nccl/errors.hpp"

#include <mutex>

#include "base/error.hpp"
#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/group.hpp"

namespace sluice::nccl {
namespace {

struct Kept {
  std::mutex mutex;
  std::string text;
};

/// Never destroyed: other threads may fail until the process ends.
Kept& kept() {
  static Kept* const instance = new Kept;
  return *instance;
}

}  // namespace

ncclResult_t conclude(ncclComm* comm, const Status& status) {
  if (status.ok()) [[likely]]
    return ncclSuccess;
  const ncclResult_t result = result_of(status);
  if (result == ncclInProgress) return result;
  const std::string& text = sluice::last_error();
  {
    const std::lock_guard lock(kept().mutex);
    kept().text = text;
  }
  if (comm != nullptr) comm->keep(text);
  if (group_depth > 0) Group::here().spoil(result);
  return result;
}

Status bad_argument(std::string text) {
  return fail(Errc::kInvalidArgument, "invalid argument", std::move(text));
}

Status bad_usage(std::string text) {
  return fail(Errc::kInvalidUsage, "invalid usage", std::move(text));
}

std::string last_sentence() {
  const std::lock_guard lock(kept().mutex);
  return kept().text;
}

const char* lend(std::string text) {
  thread_local std::string lent;
  lent = std::move(text);
  return lent.c_str();
}

const char* GetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "unhandled cuda error (ncclGetLastError says which)";
    case ncclSystemError: return "unhandled system error (ncclGetLastError says which)";
    case ncclInternalError: return "internal error (ncclGetLastError says more)";
    case ncclInvalidArgument: return "invalid argument (ncclGetLastError says which)";
    case ncclInvalidUsage: return "invalid usage (ncclGetLastError says why)";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInProgress: return "NCCL operation in progress";
    case ncclTimeout: return "a peer did not come in time (ncclGetLastError says which)";
    case ncclNumResults: break;
  }
  return "unknown result code";
}

const char* GetLastError(ncclComm_t comm) {
  std::string text = is_handle(comm) ? comm->kept() : std::string();
  return lend(text.empty() ? last_sentence() : std::move(text));
}

}  // namespace sluice::nccl
