// Gather into the root's own buffer: everybody puts its block there. One copy, all cores at work.
//
// Cost: 2 alpha + n / p beta. Needs: the root's output within reach.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void gather_direct(const Group& group, Fabric& fabric, const Math&, const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  if (fabric.rank() != a.root) {
    fabric.put(group, a.root, PeerBuffer::kOutput, mine.offset, a.input, mine.bytes);
    return fabric.publish(group, kConsumed, 1);
  }
  copy(group, a.output + mine.offset, a.input, mine.bytes, fabric.streaming(a.blocks.total()));
  for (std::int32_t i = 1; i < fabric.size(); ++i)
    fabric.wait_for(group, fabric.neighbour(i), kConsumed, 1);
}

}  // namespace sluice
