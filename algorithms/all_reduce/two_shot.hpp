// All-reduce in two steps through the stage: reduce-scatter, then all-gather, slice by slice.
//
//   hand over   stage each peer's block of my input
//   reduce      my block: from my input and the peers' stages, to my output and my stage
//   collect     the peers' blocks of the result from their stages
//
// The three run as a pipeline over slices that stay in cache, so memory sees the input once and the
// output once. Cost: 2 alpha per slice in flight; reads n + writes n of memory, 2 n (p - 1) / p
// through the caches. Best from some ten KiB up when peers cannot reach the user's buffers. Order
// of additions: by rank. Needs: mapped segments.
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
SLUICE_FN void all_reduce_two_shot(const Group& group, Fabric& fabric, const Math& math,
                                   const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p));
  const std::uint64_t slice = slice_bytes_for(p);
  const bool streaming = fabric.streaming(a.bytes());
  const unsigned streaming_mask = (streaming ? 1u : 0u) | (fabric.stage_streaming() ? 2u : 0u);
  const auto part = [&](std::int32_t owner, std::uint64_t k,
                        std::int32_t r) {  // what `owner` staged for r
    return fabric.slot(owner, k) + static_cast<std::uint64_t>(r) * slice;
  };
  fabric.open_stage(group, kStageSlots, slice * static_cast<std::uint64_t>(p));
  pipeline(
      blocks.slices(slice),
      [&](std::uint64_t k) {  // hand over
        for (std::int32_t i = 1; i < p; ++i) fabric.wait_slot_free(group, fabric.neighbour(i), k);
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t r = fabric.neighbour(i);
          const Range range = blocks[r].slice(k, slice);
          copy(group, part(me, k, r), a.input + range.offset, range.bytes,
               fabric.stage_streaming());
        }
        fabric.publish(group, kInputs, k + 1);
      },
      [&](std::uint64_t k) {  // reduce
        const Range range = blocks[me].slice(k, slice);
        const void** sources = fabric.sources();
        for (std::int32_t r = 0; r < p; ++r) {
          fabric.wait_for(group, r, kInputs, k + 1);
          sources[r] = r == me ? a.input + range.offset : part(r, k, me);
        }
        void* to[2] = {a.output + range.offset, part(me, k, me)};
        if (!fabric.failed())
          math.reduce(group, to, 2, sources, static_cast<unsigned>(p), range.bytes, true,
                      streaming_mask);
        fabric.publish(group, kResults, k + 1);
      },
      [&](std::uint64_t k) {  // collect
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t r = fabric.neighbour(i);
          const Range range = blocks[r].slice(k, slice);
          fabric.wait_for(group, r, kResults, k + 1);
          if (!fabric.failed())
            copy(group, a.output + range.offset, part(r, k, r), range.bytes, streaming);
        }
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
