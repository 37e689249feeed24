// Where buffers are: the one place that knows host memory from a GPU's, and on which side a call
// runs.
#pragma once

#include "bindings/nccl/operation.hpp"
#include "sluice/status.hpp"

namespace sluice::nccl {

/// The calling thread's GPU; -1: the process has none to work with (no driver, no GPU, a build
/// without GPU code).
int current_device();

/// Decides where the call runs, by its buffers that this rank uses: at once on the host's memory,
/// on its stream for memory of the communicator's GPU, nowhere if it moves nothing there. Where the
/// communicator has no GPU to work on, kInvalidUsage for a GPU's memory and for a stream. Buffers
/// of both kinds, and host memory with a stream, are kInvalidUsage anywhere.
Status place(const ncclComm& comm, Operation& operation);

/// Whether memory that is to be registered is a GPU's. Errors: as above.
Result<bool> is_device_memory(const ncclComm& comm, const void* memory);

/// kInvalidArgument if kernels cannot read it.
Status expect_device_reaches(const void* memory, const char* what);

}  // namespace sluice::nccl
