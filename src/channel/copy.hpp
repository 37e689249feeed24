// Copying by a group: a host thread calls the vectorised kernel of src/compute, several threads
// take turns at vectors.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/thread_group.hpp"
#include "compute/reduce.hpp"

namespace sluice {

/// to[0, words) = from[0, words), both aligned for `Word`. A thread has several loads under way.
template <class Word, ThreadGroup Group>
SLUICE_FN void copy_words(const Group& group, std::byte* to, const std::byte* from,
                          std::uint64_t words) {
  constexpr unsigned kAtOnce = 4;
  const std::uint64_t stride = group.size();
  const auto load = [&](std::uint64_t i) {
    return port::load_aligned<Word>(from + i * sizeof(Word));
  };
  std::uint64_t i = group.rank();
  SLUICE_ROLLED
  for (; i + (kAtOnce - 1) * stride < words; i += kAtOnce * stride) {
    Word held[kAtOnce];
    for (unsigned k = 0; k < kAtOnce; ++k) held[k] = load(i + k * stride);
    for (unsigned k = 0; k < kAtOnce; ++k)
      port::store_aligned(to + (i + k * stride) * sizeof(Word), held[k]);
  }
  SLUICE_ROLLED
  for (; i < words; i += stride) port::store_aligned(to + i * sizeof(Word), load(i));
}

/// Copies by words where both addresses have the same place in one, and what is before and behind
/// them by bytes.
template <class Word, ThreadGroup Group>
SLUICE_FN void copy_middle_by_words(const Group& group, std::byte* to, const std::byte* from,
                                    std::uint64_t bytes) {
  const std::uint64_t gap = (0 - reinterpret_cast<std::uintptr_t>(to)) % sizeof(Word);
  const std::uint64_t before = gap < bytes ? gap : bytes;
  const std::uint64_t words = (bytes - before) / sizeof(Word);
  const std::uint64_t behind = before + words * sizeof(Word);
  copy_words<std::byte>(group, to, from, before);
  copy_words<Word>(group, to + before, from + before, words);
  copy_words<std::byte>(group, to + behind, from + behind, bytes - behind);
}

/// copy() by several threads.
template <ThreadGroup Group>
SLUICE_FN_APART void copy_together(const Group& group, std::byte* to, const std::byte* from,
                                   std::uint64_t bytes) {
  const std::uint64_t apart =
      reinterpret_cast<std::uintptr_t>(to) ^ reinterpret_cast<std::uintptr_t>(from);
  if (apart % sizeof(port::Vector16) == 0) {
    copy_middle_by_words<port::Vector16>(group, to, from, bytes);
  } else if (apart % sizeof(std::uint64_t) == 0) {
    copy_middle_by_words<std::uint64_t>(group, to, from, bytes);
  } else if (apart % sizeof(std::uint32_t) == 0) {
    copy_middle_by_words<std::uint32_t>(group, to, from, bytes);
  } else {
    copy_words<std::byte>(group, to, from, bytes);
  }
}

/// destination[0, bytes) = source[0, bytes) by all threads of `group`; any alignment, no overlap.
/// Not a barrier. `streaming`: past the caches, for large destinations that nobody reads soon
/// (one host thread; a hint elsewhere).
template <ThreadGroup Group>
SLUICE_FN void copy(const Group& group, void* destination, const void* source, std::uint64_t bytes,
                    bool streaming = false) {
  if (bytes == 0 || destination == source) return;
  if constexpr (std::same_as<Group, HostThread>) {
    if (streaming)
      compute::copy_streaming(destination, source, bytes);
    else
      compute::copy(destination, source, bytes);
  } else {
    copy_together(group, static_cast<std::byte*>(destination),
                  static_cast<const std::byte*>(source), bytes);
  }
}

}  // namespace sluice
