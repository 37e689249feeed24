// Broadcast through the root's stage, slice by slice: the root stages, the others collect.
//
// Cost: alpha per slice in flight + n beta; the root's copying overlaps the others'. Needs: mapped
// segments.
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
SLUICE_FN void broadcast_staged(const Group& group, Fabric& fabric, const Math& math,
                                const Arguments& a) {
  const std::int32_t me = fabric.rank();
  const Slices slices = Slices::of(Blocks::equal(a.count, a.elem_bytes, 1), 1);
  const bool streaming = fabric.streaming(a.bytes());
  const unsigned streaming_mask = (streaming ? 1u : 0u) | (fabric.stage_streaming() ? 2u : 0u);
  const Range whole{0, a.bytes()};
  fabric.open_stage(group, slices.count, slices.bytes);
  for (std::uint64_t k = 0; k < slices.count; ++k) {
    const Range range = whole.slice(k, slices.bytes);
    if (me == a.root) {
      if (!fabric.wait_slot_free(group, k)) return;
      const void* from[1] = {a.input + range.offset};
      void* to[2] = {a.output + range.offset, fabric.slot(me, k)};
      if (a.input == a.output)
        copy(group, to[1], from[0], range.bytes, fabric.stage_streaming());
      else
        math.reduce(group, to, 2, from, 1, range.bytes, false, streaming_mask);
      fabric.publish(group, kInputs, k + 1);
    } else {
      fabric.wait_for(group, a.root, kInputs, k + 1);
      if (!fabric.failed(group))
        copy(group, a.output + range.offset, fabric.slot(a.root, k), range.bytes, streaming);
      fabric.publish(group, kConsumed, k + 1);
    }
  }
}

}  // namespace sluice
