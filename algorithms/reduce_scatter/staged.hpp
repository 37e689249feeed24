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
  const std::uint64_t slice = slice_bytes_for(p);
  const bool streaming = fabric.streaming(a.blocks[me].bytes);
  const auto part = [&](std::int32_t owner, std::uint64_t k,
                        std::int32_t r) {  // what `owner` staged for r
    return fabric.slot(owner, k) + static_cast<std::uint64_t>(r) * slice;
  };
  fabric.open_stage(group, kStageSlots, slice * static_cast<std::uint64_t>(p));
  pipeline(
      a.blocks.slices(slice),
      [&](std::uint64_t k) {  // hand over
        for (std::int32_t i = 1; i < p; ++i) fabric.wait_slot_free(group, fabric.neighbour(i), k);
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t r = fabric.neighbour(i);
          const Range range = a.blocks[r].slice(k, slice);
          copy(group, part(me, k, r), a.input + range.offset, range.bytes,
               fabric.stage_streaming());
        }
        fabric.publish(group, kInputs, k + 1);
      },
      [&](std::uint64_t k) {  // reduce
        const Range range = a.blocks[me].slice(k, slice);
        const void** sources = fabric.sources();
        for (std::int32_t r = 0; r < p; ++r) {
          fabric.wait_for(group, r, kInputs, k + 1);
          sources[r] = r == me ? a.input + range.offset : part(r, k, me);
        }
        void* to[1] = {a.output + (range.offset - a.blocks[me].offset)};
        if (!fabric.failed())
          math.reduce(group, to, 1, sources, static_cast<unsigned>(p), range.bytes, true,
                      streaming ? 1 : 0);
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
