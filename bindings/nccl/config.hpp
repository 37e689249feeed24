// ncclConfig_t and ncclCollConfig_t, read by size, magic and version.
#pragma once

#include <string>

#include "bindings/nccl/nccl.h"
#include "sluice/communicator.hpp"
#include "sluice/status.hpp"

namespace sluice::nccl {

/// What of a configuration means something here.
struct Config {
  bool blocking = true;
  std::string name;
  int rma_contexts = 1;
  int rma_signals = 1;
  int least_blocks = 0, most_blocks = 0;  // of a collective on a GPU; 0: not said
};

/// `given` over `inherited`; null is `inherited` as it is. The environment (NCCL_COMM_BLOCKING,
/// NCCL_MIN_CTAS, NCCL_MAX_CTAS) wins over both. Fields that the caller's version does not know are
/// unset, whatever its struct has in their place. Errors: kInvalidArgument (no initialiser, a value
/// out of range), kInvalidUsage (a network that is not there).
Result<Config> read_config(const ncclConfig_t* given, const Config& inherited = {});

/// `options` with what the configuration says.
Options configured(Options options, const Config& config);

/// Whether the configuration of a call, which may be null, can be honoured.
Status check_config(const ncclCollConfig_t* config);

}  // namespace sluice::nccl
