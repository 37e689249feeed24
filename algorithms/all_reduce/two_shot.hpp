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
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_two_shot(const Group& group, Fabric& fabric, const Math& math,
                                   const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p));
  const Slices slices = Slices::of(blocks, p);
  const bool streaming = fabric.streaming(a.bytes());
  const unsigned streaming_mask = (streaming ? 1u : 0u) | (fabric.stage_streaming() ? 2u : 0u);
  fabric.open_stage(group, slices.count, slices.bytes * static_cast<std::uint64_t>(p));
  pipeline(
      slices.count, [&](std::uint64_t k) { hand_over(group, fabric, blocks, a.input, slices, k); },
      [&](std::uint64_t k) {  // reduce
        const Range range = blocks[me].slice(k, slices.bytes);
        await_handed_over(group, fabric, a.input, range, slices, k);
        void* to[2] = {a.output + range.offset, staged_part(fabric, me, k, me, slices)};
        if (!fabric.failed(group))
          math.reduce(group, to, 2, fabric.sources(), static_cast<unsigned>(p), range.bytes, true,
                      streaming_mask);
        fabric.publish(group, kResults, k + 1);
      },
      [&](std::uint64_t k) {
        collect(group, fabric, blocks, a.output, slices, k, streaming);
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
