// Reduce in two steps through the stage: every rank reduces one block, the root collects the
// blocks.
//
//   hand over   stage each peer's block of my input
//   reduce      my block: from my input and the peers' stages to my stage (the root: to its output)
//   collect     the root takes the peers' blocks from their stages
//
// Cost: 2 alpha per slice in flight; all ranks share the additions.
// Order of additions: by rank. Needs: mapped segments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/staging.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_two_shot(const Group& group, Fabric& fabric, const Math& math,
                               const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p));
  const Slices slices = Slices::of(blocks, p);
  const bool streaming = fabric.streaming(a.bytes()), is_root = me == a.root;
  fabric.open_stage(group, slices.count, slices.bytes * static_cast<std::uint64_t>(p));
  pipeline(
      slices.count, [&](std::uint64_t k) { hand_over(group, fabric, blocks, a.input, slices, k); },
      [&](std::uint64_t k) {  // reduce
        const Range range = blocks[me].slice(k, slices.bytes);
        await_handed_over(group, fabric, a.input, range, slices, k);
        void* to[1] = {is_root ? a.output + range.offset : staged_part(fabric, me, k, me, slices)};
        if (!fabric.failed(group))
          math.reduce(group, to, 1, fabric.sources(), static_cast<unsigned>(p), range.bytes, true,
                      is_root ? streaming : fabric.stage_streaming());
        fabric.publish(group, kResults, k + 1);
      },
      [&](std::uint64_t k) {
        if (is_root) collect(group, fabric, blocks, a.output, slices, k, streaming);
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
