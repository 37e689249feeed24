// Where buffers are: the one place that knows host memory from a GPU's, and where streams will
// enter once calls run on them.
#pragma once

#include "bindings/nccl/nccl.h"
#include "sluice/status.hpp"

namespace sluice::nccl {

/// Ok for host memory and no stream. A stream, or memory of a GPU, is kInvalidUsage: calls run on
/// host memory, at once. Without a CUDA driver in the process all memory is the host's.
Status check_placement(const void* input, const void* output, cudaStream_t stream);

}  // namespace sluice::nccl
