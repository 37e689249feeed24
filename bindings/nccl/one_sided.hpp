// Puts into windows, signals and waits for signals.
#pragma once

#include "bindings/nccl/operation.hpp"

namespace sluice::nccl {

/// Ok, or why the operation cannot be done: arguments, or peers whose memory is out of reach.
Status check_one_sided(const ncclComm& comm, const Operation& operation);

Status run_one_sided(ncclComm& comm, const Operation& operation);

}  // namespace sluice::nccl
