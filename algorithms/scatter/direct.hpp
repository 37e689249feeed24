// Scatter from the root's own buffer: everybody fetches its block. One copy, all cores at work.
//
// Cost: 2 alpha + n / p beta. Needs: the root's input within reach.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void scatter_direct(const Group& group, Fabric& fabric, const Math&, const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  if (fabric.rank() != a.root) {
    fabric.get(group, a.root, PeerBuffer::kInput, mine.offset, a.output, mine.bytes);
    return fabric.publish(group, kConsumed, 1);
  }
  copy(group, a.output, a.input + mine.offset, mine.bytes, fabric.streaming(mine.bytes));
  for (std::int32_t i = 1; i < fabric.size(); ++i)
    fabric.wait_for(group, fabric.neighbour(i), kConsumed, 1);
}

}  // namespace sluice
