// All-to-all through the stage, slice by slice: stage a part for every peer, collect mine from
// theirs.
//
// Cost: alpha per slice in flight; reads n and writes n of memory, n through the caches. Needs:
// mapped segments.
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
SLUICE_FN void all_to_all_staged(const Group& group, Fabric& fabric, const Math&,
                                 const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Slices slices = Slices::of(a.blocks, p);
  const bool streaming = fabric.streaming(a.blocks.total());
  fabric.open_stage(group, slices.count, slices.bytes * static_cast<std::uint64_t>(p));
  pipeline(
      slices.count,
      [&](std::uint64_t k) { hand_over(group, fabric, a.blocks, a.input, slices, k); },
      [&](std::uint64_t k) {  // collect
        const Range own = a.blocks[me].slice(k, slices.bytes);
        copy(group, a.output + own.offset, a.input + own.offset, own.bytes, streaming);
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t r = fabric.neighbour(i);
          const Range range = a.blocks[r].slice(k, slices.bytes);
          fabric.wait_for(group, r, kInputs, k + 1);
          if (!fabric.failed(group))
            copy(group, a.output + range.offset, staged_part(fabric, r, k, me, slices), range.bytes,
                 streaming);
        }
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
