// All-gather over links, every pair of ranks by itself: in step i, send the own block to one
// partner at distance i and receive that of the other. No step waits for the one before it.
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
  send_pairwise_ahead(
      fabric, a.blocks.slices(slice_bytes), ahead.under_way,
      [&](std::int32_t to, std::uint64_t k) {
        const Range out = mine.slice(k, slice_bytes);
        fabric.send(group, to, a.input + (out.offset - mine.offset), out.bytes);
      },
      [&](std::int32_t from, std::uint64_t k) {
        const Range in = a.blocks[from].slice(k, slice_bytes);
        fabric.receive_copy(group, from, a.output + in.offset, in.bytes);
      },
      [&](std::int32_t from, std::uint64_t k) {
        const Range in = a.blocks[from].slice(k, slice_bytes);
        fabric.expect(group, from, a.output + in.offset, in.bytes);
      });
  copy(group, a.output + mine.offset, a.input, mine.bytes);
}

}  // namespace sluice
