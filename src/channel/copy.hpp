// Copying by a group: the host calls the vectorised kernel of src/compute, a block strides.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/thread_group.hpp"
#include "compute/reduce.hpp"

namespace sluice {

/// destination[0, bytes) = source[0, bytes) by all threads of `group`; any alignment, no overlap.
/// Not a barrier. `streaming`: past the caches, for large destinations that nobody reads soon
/// (host; a hint elsewhere).
template <ThreadGroup Group>
SLUICE_FN void copy(const Group& group, void* destination, const void* source, std::uint64_t bytes,
                    bool streaming = false) {
  if (bytes == 0 || destination == source) return;
#if defined(SLUICE_HOST)
  static_cast<void>(group);
  if (streaming)
    compute::copy_streaming(destination, source, bytes);
  else
    compute::copy(destination, source, bytes);
#else
  static_cast<void>(streaming);
  struct alignas(16) Vector {
    std::uint64_t half[2];
  };
  auto* to = static_cast<std::byte*>(destination);
  const auto* from = static_cast<const std::byte*>(source);
  std::uint64_t vectors = 0;
  if (((reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from)) %
       sizeof(Vector)) == 0)
    vectors = bytes / sizeof(Vector);
  for (std::uint64_t i = group.rank(); i < vectors; i += group.size())
    reinterpret_cast<Vector*>(to)[i] = reinterpret_cast<const Vector*>(from)[i];
  for (std::uint64_t i = vectors * sizeof(Vector) + group.rank(); i < bytes; i += group.size())
    to[i] = from[i];
#endif
}

}  // namespace sluice
