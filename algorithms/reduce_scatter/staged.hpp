// Reduce-scatter through the stage, slice by slice.
//
//   hand over   stage each peer's block of my input
//   reduce      my block: from my input and the peers' stages to my output
//
// Cost: alpha per slice in flight; reads n and writes n / p of memory, (p - 1) / p n through the
// caches. Order of additions: by rank. Needs: mapped segments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/staging.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_staged(const Group& group, Fabric& fabric, const Math& math,
                                     const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Slices slices = Slices::of(a.blocks, p);
  const bool streaming = fabric.streaming(a.blocks[me].bytes);
  fabric.open_stage(group, slices.count, slices.bytes * static_cast<std::uint64_t>(p));
  pipeline(
      slices.count,
      [&](std::uint64_t k) { hand_over(group, fabric, a.blocks, a.input, slices, k); },
      [&](std::uint64_t k) {  // reduce
        const Range range = a.blocks[me].slice(k, slices.bytes);
        await_handed_over(group, fabric, a.input, range, slices, k);
        void* to[1] = {a.output + (range.offset - a.blocks[me].offset)};
        if (!fabric.failed(group))
          math.reduce(group, to, 1, fabric.sources(), static_cast<unsigned>(p), range.bytes, true,
                      streaming ? 1 : 0);
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
