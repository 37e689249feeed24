// Reduce-scatter over links, every pair of ranks by itself: everybody sends each rank its block and
// adds what came for its own once all of it is there.
//
// Cost: alpha + (p - 1) (alpha / 2 + n / p beta): a message to everybody, but no rank waits twice.
// Order of additions: by rank. Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/partners.hpp"
#include "algorithms/send_ahead.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_pairwise(const Group& group, Fabric& fabric, const Math& math,
                                       const Arguments& a) {
  constexpr std::uint64_t kAhead = 2;  // one slice is being added while the next one comes
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Range mine = a.blocks[me];
  const std::uint64_t slice_bytes = fabric.slot_bytes();
  const Partners partners = Partners::of(fabric);
  send_ahead(
      a.blocks.slices(slice_bytes), kAhead,
      [&](std::uint64_t k) {
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t to = partners.receiver(i);
          const Range out = a.blocks[to].slice(k, slice_bytes);
          fabric.send(group, to, a.input + out.offset, out.bytes);
        }
      },
      [&](std::uint64_t k) {
        const Range in = mine.slice(k, slice_bytes);
        if (in.bytes == 0) return;
        for (std::int32_t r = 0; r < p; ++r)
          fabric.set_source(
              group, r, r == me ? a.input + in.offset : fabric.await_fragment(group, r, in.bytes));
        void* output[1] = {a.output + (in.offset - mine.offset)};
        if (fabric.failed(group)) return;
        math.reduce(group, output, 1, fabric.sources(), static_cast<unsigned>(p), in.bytes, true,
                    0);
        if (p == 1)
          group.sync();  // else take_fragment() keeps the sources until all have read them
        for (std::int32_t r = 0; r < p; ++r)
          if (r != me) fabric.take_fragment(group, r);
      });
}

}  // namespace sluice
