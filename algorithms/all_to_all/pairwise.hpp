// All-to-all over links in p - 1 steps: in step i, send to one partner at distance i and receive
// from the other.
//
// Cost: alpha + (p - 1) (alpha / 2 + n / p beta). Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/partners.hpp"
#include "algorithms/send_ahead.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_to_all_pairwise(const Group& group, Fabric& fabric, const Math&,
                                   const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  if (fabric.size() == 1)
    return copy(group, a.output + mine.offset, a.input + mine.offset, mine.bytes);
  const std::int32_t first = Partners::of(fabric).sender(1);
  const bool streaming = fabric.streaming(a.blocks.total());
  const AheadShape ahead = ahead_shape(fabric);
  const std::uint64_t slice_bytes = ahead.slice_bytes;
  send_pairwise_ahead(
      fabric, a.blocks.slices(slice_bytes), ahead.under_way,
      [&](std::int32_t to, std::uint64_t k) {
        const Range out = a.blocks[to].slice(k, slice_bytes);
        fabric.send(group, to, a.input + out.offset, out.bytes);
      },
      [&](std::int32_t from, std::uint64_t k) {
        if (from == first) {  // the own block while others are on their way
          const Range own = mine.slice(k, slice_bytes);
          copy(group, a.output + own.offset, a.input + own.offset, own.bytes, streaming);
        }
        const Range in = a.blocks[from].slice(k, slice_bytes);
        fabric.receive_copy(group, from, a.output + in.offset, in.bytes, streaming);
      },
      [&](std::int32_t from, std::uint64_t k) {
        const Range in = a.blocks[from].slice(k, slice_bytes);
        fabric.expect(group, from, a.output + in.offset, in.bytes);
      });
}

}  // namespace sluice
