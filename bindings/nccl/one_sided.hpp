// Puts into windows, signals and waits for signals.
#pragma once

#include <span>

#include "bindings/nccl/operation.hpp"
#include "sluice/device.hpp"

namespace sluice::nccl {

/// Ok, or why the operation cannot be done: arguments, or peers whose memory is out of reach.
Status check_one_sided(const ncclComm& comm, const Operation& operation);

/// On host memory.
Status run_one_sided(ncclComm& comm, const Operation& operation);

/// Enqueues puts and signals, or waits, on GPUs' memory. They have been looked at.
Status enqueue_puts(ncclComm& comm, std::span<const Operation> operations, Stream stream);
Status enqueue_waits(ncclComm& comm, std::span<const Operation> operations, Stream stream);

}  // namespace sluice::nccl
