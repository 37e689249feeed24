// All-gather over links, every pair of ranks by itself: in step i, send the own block to the rank i
// behind and receive that of the rank i before. No step waits for the one before it.
//
// Cost: alpha + (p - 1) (alpha / 2 + n / p beta): a message to everybody, but no rank waits twice.
// Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/send_ahead.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_gather_pairwise(const Group& group, Fabric& fabric, const Math&,
                                   const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  const AheadShape ahead = ahead_shape(fabric);
  const std::uint64_t slice_bytes = ahead.slice_bytes;
  const std::uint64_t slices = a.blocks.slices(slice_bytes);
  const auto peer = [&](std::uint64_t item, std::int32_t direction) {
    return fabric.neighbour(direction * (1 + static_cast<std::int32_t>(item / slices)));
  };
  send_ahead(
      slices * static_cast<std::uint64_t>(fabric.size() - 1), ahead.under_way,
      [&](std::uint64_t item) {
        const Range out = mine.slice(item % slices, slice_bytes);
        fabric.send(group, peer(item, 1), a.input + (out.offset - mine.offset), out.bytes);
      },
      [&](std::uint64_t item) {
        const std::int32_t from = peer(item, -1);
        const Range in = a.blocks[from].slice(item % slices, slice_bytes);
        fabric.receive_copy(group, from, a.output + in.offset, in.bytes);
      });
  copy(group, a.output + mine.offset, a.input, mine.bytes);
}

}  // namespace sluice
