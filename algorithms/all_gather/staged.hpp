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
SLUICE_FN void all_gather_staged(const Group& group, Fabric& fabric, const Math&, const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const std::uint64_t slice = slice_bytes_for(1);
  const bool streaming = fabric.streaming(a.blocks.total());
  fabric.open_stage(group, kStageSlots, slice);
  pipeline(
      a.blocks.slices(slice),
      [&](std::uint64_t k) {  // stage
        for (std::int32_t i = 1; i < p; ++i) fabric.wait_slot_free(group, fabric.neighbour(i), k);
        const Range range = a.blocks[me].slice(k, slice);
        copy(group, fabric.slot(me, k), a.input + (range.offset - a.blocks[me].offset), range.bytes);
        fabric.publish(group, kInputs, k + 1);
      },
      [&](std::uint64_t k) {  // collect
        const Range own = a.blocks[me].slice(k, slice);
        copy(group, a.output + own.offset, a.input + (own.offset - a.blocks[me].offset), own.bytes, streaming);
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t r = fabric.neighbour(i);
          const Range range = a.blocks[r].slice(k, slice);
          fabric.wait_for(group, r, kInputs, k + 1);
          if (!fabric.failed()) copy(group, a.output + range.offset, fabric.slot(r, k), range.bytes, streaming);
        }
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
