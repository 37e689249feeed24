// What staged schedules have in common: how long a slice is, and how a block reaches its peers.
//
// A slot holds one slice for each of `parts` readers, in the order of their ranks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/blocks.hpp"
#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// Slots that the stage holds at the least. Three stages of a pipeline touch three at once; the
/// others let a rank run ahead of a slow peer.
inline constexpr std::uint64_t kStageSlots = 6;
/// Slices of a block, where they are not too short or too long: so many that the ends of the
/// pipeline, where a rank waits for its peers, cost little.
inline constexpr std::uint64_t kSlicesPerBlock = 4;
/// Shorter slices would wait longer for their flags than they take to copy; longer ones gain
/// nothing.
inline constexpr std::uint64_t kSmallestSliceBytes = 16 * 1024;
inline constexpr std::uint64_t kLargestSliceBytes = 128 * 1024;

/// Slices of a staged operation: `bytes` each, a multiple of a line, so of every element.
struct Slices {
  std::uint64_t bytes;
  std::uint64_t count;

  /// Of the longest of `blocks`, when a slot holds `parts` slices.
  SLUICE_FN static constexpr Slices of(const Blocks& blocks, std::int32_t parts) {
    constexpr std::uint64_t kLine = 64;
    const std::uint64_t fits = kStageBytes / kStageSlots / static_cast<std::uint64_t>(parts);
    std::uint64_t bytes = blocks.largest() / kSlicesPerBlock;
    if (bytes < kSmallestSliceBytes) bytes = kSmallestSliceBytes;
    if (bytes > kLargestSliceBytes) bytes = kLargestSliceBytes;
    if (bytes > fits) bytes = fits;
    bytes = bytes / kLine * kLine;
    return {bytes, blocks.slices(bytes)};
  }
};

/// What `owner` staged for `reader` in slot `k`.
template <class Fabric>
SLUICE_FN std::byte* staged_part(const Fabric& fabric, std::int32_t owner, std::uint64_t k,
                                 std::int32_t reader, const Slices& slices) {
  return fabric.slot(owner, k) + static_cast<std::uint64_t>(reader) * slices.bytes;
}

/// Stages slice `k` of each peer's block of `input` for it.
template <ThreadGroup Group, class Fabric>
SLUICE_FN void hand_over(const Group& group, Fabric& fabric, const Blocks& blocks,
                         const std::byte* input, const Slices& slices, std::uint64_t k) {
  if (!fabric.wait_slot_free(group, k)) return;
  for (std::int32_t i = 1; i < fabric.size(); ++i) {
    const std::int32_t reader = fabric.neighbour(i);
    const Range range = blocks[reader].slice(k, slices.bytes);
    copy(group, staged_part(fabric, fabric.rank(), k, reader, slices), input + range.offset,
         range.bytes, fabric.stage_streaming());
  }
  fabric.publish(group, kInputs, k + 1);
}

/// Waits for what hand_over() staged for this rank, and makes it the fabric's sources: slice `k` of
/// its block, by rank, from `input` and from the peers' stages.
template <ThreadGroup Group, class Fabric>
SLUICE_FN void await_handed_over(const Group& group, Fabric& fabric, const std::byte* input,
                                 const Range& range, const Slices& slices, std::uint64_t k) {
  const std::int32_t me = fabric.rank();
  for (std::int32_t r = 0; r < fabric.size(); ++r) {
    fabric.wait_for(group, r, kInputs, k + 1);
    fabric.set_source(group, r,
                      r == me ? input + range.offset : staged_part(fabric, r, k, me, slices));
  }
}

/// Copies slice `k` of each peer's block of the result from where that peer staged it, as its own
/// part, to its place in `output`.
template <ThreadGroup Group, class Fabric>
SLUICE_FN void collect(const Group& group, Fabric& fabric, const Blocks& blocks, std::byte* output,
                       const Slices& slices, std::uint64_t k, bool streaming) {
  for (std::int32_t i = 1; i < fabric.size(); ++i) {
    const std::int32_t r = fabric.neighbour(i);
    const Range range = blocks[r].slice(k, slices.bytes);
    fabric.wait_for(group, r, kResults, k + 1);
    if (!fabric.failed(group))
      copy(group, output + range.offset, staged_part(fabric, r, k, r, slices), range.bytes,
           streaming);
  }
}

}  // namespace sluice
