// Scatter by packets: the root sends everybody its block.
//
// Cost: alpha + (p - 1) / p n beta at the root. Needs: mapped segments; blocks <= kPacketBytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void scatter_packet(const Group& group, Fabric& fabric, const Math&, const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  if (fabric.rank() != a.root) {
    const std::byte* block = fabric.receive_packets(group, a.root, mine.bytes);
    if (!fabric.failed(group)) copy(group, a.output, block, mine.bytes);
    return;
  }
  for (std::int32_t i = 1; i < fabric.size(); ++i) {
    const Range theirs = a.blocks[fabric.neighbour(i)];
    fabric.put_packets(group, fabric.neighbour(i), a.input + theirs.offset, theirs.bytes);
  }
  copy(group, a.output, a.input + mine.offset, mine.bytes);
}

}  // namespace sluice
