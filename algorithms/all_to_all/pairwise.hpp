// All-to-all over links in p - 1 steps: in step i, send to the rank i behind and receive from the
// rank i before.
//
// Cost: (p - 1) (alpha + n / p beta). Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/send_ahead.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_to_all_pairwise(const Group& group, Fabric& fabric, const Math&,
                                   const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  copy(group, a.output + mine.offset, a.input + mine.offset, mine.bytes);
  const AheadShape ahead = ahead_shape(fabric);
  const std::uint64_t slice_bytes = ahead.slice_bytes;
  const std::uint64_t slices = a.blocks.slices(slice_bytes);
  const auto peer = [&](std::uint64_t item, std::int32_t direction) {
    return fabric.neighbour(direction * (1 + static_cast<std::int32_t>(item / slices)));
  };
  send_ahead(
      slices * static_cast<std::uint64_t>(fabric.size() - 1), ahead.under_way,
      [&](std::uint64_t item) {
        const std::int32_t to = peer(item, 1);
        const Range out = a.blocks[to].slice(item % slices, slice_bytes);
        fabric.send(group, to, a.input + out.offset, out.bytes);
      },
      [&](std::uint64_t item) {
        const std::int32_t from = peer(item, -1);
        const Range in = a.blocks[from].slice(item % slices, slice_bytes);
        fabric.receive_copy(group, from, a.output + in.offset, in.bytes);
      });
}

}  // namespace sluice
