// What a call would take, by the catalogue's cost functions.
#pragma once

#include "bindings/nccl/operation.hpp"

namespace sluice::nccl {

/// Microseconds, by the figures that the communicator measured when it was made: the cheapest
/// schedule for ordinary buffers. A message counts as one step and its bytes.
double estimated_us(const ncclComm& comm, const Operation& operation);

}  // namespace sluice::nccl
