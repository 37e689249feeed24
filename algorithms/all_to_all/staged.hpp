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
  const std::uint64_t slice = slice_bytes_for(p);
  const bool streaming = fabric.streaming(a.blocks.total());
  const auto part = [&](std::int32_t owner, std::uint64_t k,
                        std::int32_t r) {  // what `owner` staged for r
    return fabric.slot(owner, k) + static_cast<std::uint64_t>(r) * slice;
  };
  fabric.open_stage(group, kStageSlots, slice * static_cast<std::uint64_t>(p));
  pipeline(
      a.blocks.slices(slice),
      [&](std::uint64_t k) {  // stage
        for (std::int32_t i = 1; i < p; ++i) fabric.wait_slot_free(group, fabric.neighbour(i), k);
        for (std::int32_t i = 1; i < p; ++i) {
          const Range range = a.blocks[fabric.neighbour(i)].slice(k, slice);
          copy(group, part(me, k, fabric.neighbour(i)), a.input + range.offset, range.bytes,
               fabric.stage_streaming());
        }
        fabric.publish(group, kInputs, k + 1);
      },
      [&](std::uint64_t k) {  // collect
        const Range own = a.blocks[me].slice(k, slice);
        copy(group, a.output + own.offset, a.input + own.offset, own.bytes, streaming);
        for (std::int32_t i = 1; i < p; ++i) {
          const std::int32_t r = fabric.neighbour(i);
          const Range range = a.blocks[r].slice(k, slice);
          fabric.wait_for(group, r, kInputs, k + 1);
          if (!fabric.failed())
            copy(group, a.output + range.offset, part(r, k, me), range.bytes, streaming);
        }
        fabric.publish(group, kConsumed, k + 1);
      });
}

}  // namespace sluice
