// Device memory from sluice::alloc.
#pragma once

#include <cstdint>

#include "sluice/status.hpp"

namespace sluice::device {

/// Zeroed memory on the calling thread's device.
Result<void*> allocate_for_user(std::uint64_t bytes);

/// Whether allocate_for_user() returned it. Without any such memory: one atomic load.
bool is_for_user(const void* memory);
/// Frees what is_for_user(); may wait for all work on the device, or not: nothing may use it.
Status release_from_user(void* memory);

}  // namespace sluice::device
