// All-gather around a ring: in each of p - 1 steps pass on the block that came last.
//
// Cost: (p - 1) (alpha + n / p beta). Needs: links to both neighbours only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/send_ahead.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_gather_ring(const Group& group, Fabric& fabric, const Math&,
                               const Arguments& a) {
  const std::int32_t p = fabric.size(), right = fabric.neighbour(1), left = fabric.neighbour(-1);
  const Range mine = a.blocks[fabric.rank()];
  const bool streaming = fabric.streaming(a.blocks.total());
  const AheadShape ahead = ahead_shape(fabric);
  const std::uint64_t slice_bytes = ahead.slice_bytes;
  const auto slice = [&](std::int32_t distance, std::uint64_t k) {
    return a.blocks[fabric.neighbour(distance)].slice(k, slice_bytes);
  };
  if (p == 1) return copy(group, a.output + mine.offset, a.input, mine.bytes);
  send_slices_ahead(
      a.blocks.slices(slice_bytes), static_cast<std::uint64_t>(p - 1), ahead.under_way,
      [&](std::uint64_t k, std::int32_t step) {
        const Range out = slice(-step, k);
        const std::byte* data =
            step == 0 ? a.input + (out.offset - mine.offset) : a.output + out.offset;
        fabric.send(group, right, data, out.bytes);
      },
      [&](std::uint64_t k, std::int32_t step) {
        if (step == 0) {  // the own block while others are on their way
          const Range own = mine.slice(k, slice_bytes);
          copy(group, a.output + own.offset, a.input + (own.offset - mine.offset), own.bytes,
               streaming);
        }
        const Range in = slice(-step - 1, k);
        const bool last = step == p - 2;  // else it is sent on from there
        fabric.receive_copy(group, left, a.output + in.offset, in.bytes, streaming && last);
      },
      [&](std::uint64_t k, std::int32_t step) {
        const Range in = slice(-step - 1, k);
        fabric.expect(group, left, a.output + in.offset, in.bytes);
      });
}

}  // namespace sluice
