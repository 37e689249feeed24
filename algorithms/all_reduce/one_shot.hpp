// All-reduce in one step through the stage: everybody stages its whole input once, everybody reads
// all of them.
//
//   1. copy the input to this rank's stage
//   2. for each rank: its input is there
//   3. output = input of rank 0 op input of rank 1 op ..., read where the peers staged it
//
// Cost: alpha + 2 n beta (copy, then read p - 1 inputs from cache). Between packets and two_shot.
// Order of additions: by rank.
// Needs: mapped segments; n <= half a stage.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_one_shot(const Group& group, Fabric& fabric, const Math& math,
                                   const Arguments& a) {
  constexpr std::uint64_t kLine = 64;
  fabric.open_stage(group, 1, (a.bytes() + kLine) / kLine * kLine);
  if (!fabric.wait_slot_free(group, 0)) return;
  copy(group, fabric.slot(fabric.rank(), 0), a.input, a.bytes(), fabric.stage_streaming());
  fabric.publish(group, kInputs, 1);
  for (std::int32_t r = 0; r < fabric.size(); ++r) {
    fabric.wait_for(group, r, kInputs, 1);
    fabric.set_source(group, r, r == fabric.rank() ? a.input : fabric.slot(r, 0));
  }
  if (fabric.failed(group)) return;
  void* output[1] = {a.output};
  math.reduce(group, output, 1, fabric.sources(), static_cast<unsigned>(fabric.size()), a.bytes(),
              true, 0);
}

}  // namespace sluice
