// Memory that several processes have on their devices: what sluice::alloc returns of the calling
// thread's device, what of any allocation others need to find a stretch in it, and memory of the
// host. As device.hpp: no header of a toolkit, any thread, while streams are captured.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/fd.hpp"
#include "sluice/status.hpp"

namespace sluice::device {

/// Zeroed device memory, aligned to 256 bytes, which has a descriptor where the driver makes such
/// memory; else as allocate().
Result<void*> allocate_shareable(std::uint64_t bytes);
/// Nothing may be using it. Of memory without a descriptor it may wait for all work on the device.
Status release_shareable(void* memory);

/// The allocation that holds a pointer, whoever made it.
struct Allocation {
  std::byte* base = nullptr;
  std::uint64_t bytes = 0;
};
Result<Allocation> allocation_of(const void* pointer);

/// A descriptor of all of the allocation at `base`; none where it has none: share() it then.
Result<Fd> descriptor_of(void* base);
/// Another process's allocation, here.
Result<void*> open_shareable(const Fd& descriptor, std::uint64_t bytes);
Status close_shareable(void* opened, std::uint64_t bytes);

/// Lets kernels on every device use memory of the host that is mapped here, page by page, under the
/// same address.
Status pin(void* memory, std::uint64_t bytes);
Status unpin(void* memory);

}  // namespace sluice::device
