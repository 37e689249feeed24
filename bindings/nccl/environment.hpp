// NCCL's environment variables: which mean something here, and what.
#pragma once

#include <span>
#include <string>

#include "sluice/communicator.hpp"
#include "sluice/status.hpp"

namespace sluice::nccl {

/// A variable that is read, NCCL's or ours.
struct Parameter {
  const char* key;
  const char* otherwise;  // its text when it is not set; "" where there is none
  const char* meaning;    // a short sentence
};

/// All of them; ncclParam... knows them by these keys.
std::span<const Parameter> parameters();

/// The parameter's text now.
std::string text_of(const Parameter& parameter);

/// Takes what NCCL's variables say over into ours, where ours do not say otherwise; lists those
/// that are ignored, at info level. Once in a process, at its first communicator or unique id; the
/// same answer afterwards. Error: kInvalidUsage (an interface that is not there).
Status apply_environment();

/// NCCL_DEBUG and NCCL_DEBUG_FILE, as they are now.
void read_log_settings();

/// What a communicator is made with.
Options options_from_environment();

}  // namespace sluice::nccl
