// Whether an address may be of a GPU's memory.
#pragma once

namespace sluice::mpi::device {

/// False where no GPU's runtime is loaded in the process, which costs a load and a comparison. With
/// CUDA's driver: what it says of the pointer. With another vendor's: true, since we cannot ask.
bool may_be_of_device(const void* pointer);

}  // namespace sluice::mpi::device
