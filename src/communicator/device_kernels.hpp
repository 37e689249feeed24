// The kernels of the catalogue, all of them, before a device works.
#pragma once

#include "sluice/status.hpp"

namespace sluice {

/// Every kernel once, with nothing to do, on the calling thread's device, which is `device`. A
/// kernel is loaded when it is first launched, and may get memory for its stack then; both could
/// wait for kernels in flight, which may wait for this one.
Status load_kernels(int device);

/// Blocks of any of the kernels that the current device holds at once.
Result<int> blocks_of_any();

}  // namespace sluice
