// All-gather through the stage, slice by slice: stage my block, collect the others'.
//
// Cost: alpha per slice in flight; reads n / p and writes n of memory, n through the caches.
// Needs: mapped segments.
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
SLUICE_FN void all_gather_staged(const Group& group, Fabric& fabric, const Math& math,
                                 const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Slices slices = Slices::of(a.blocks, 1);
  const bool streaming = fabric.streaming(a.blocks.total());
  fabric.open_stage(group, slices.count, slices.bytes);
  const unsigned streaming_mask = (streaming ? 1u : 0u) | (fabric.stage_streaming() ? 2u : 0u);
  pipeline(
      slices.count,
      [&](std::uint64_t k) {  // stage, and put into place here, in one pass
        if (!fabric.wait_slot_free(group, k)) return;
        const Range range = a.blocks[me].slice(k, slices.bytes);
        const void* from[1] = {a.input + (range.offset - a.blocks[me].offset)};
        void* to[2] = {a.output + range.offset, fabric.slot(me, k)};
        if (from[0] == to[0])
          copy(group, to[1], from[0], range.bytes, fabric.stage_streaming());
        else
          math.reduce(group, to, 2, from, 1, range.bytes, false, streaming_mask);
        fabric.publish(group, kInputs, k + 1);
      },
      [&](std::uint64_t k) {  // collect
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t r = fabric.neighbour(i);
          const Range range = a.blocks[r].slice(k, slices.bytes);
          fabric.wait_for(group, r, kInputs, k + 1);
          if (!fabric.failed(group))
            copy(group, a.output + range.offset, fabric.slot(r, k), range.bytes, streaming);
        }
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
