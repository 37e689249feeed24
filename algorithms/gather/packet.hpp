// Gather by packets: everybody sends the root its block.
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
SLUICE_FN void gather_packet(const Group& group, Fabric& fabric, const Math&, const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Range mine = a.blocks[me];
  if (me != a.root) return fabric.put_packets(group, a.root, a.input, mine.bytes);
  copy(group, a.output + mine.offset, a.input, mine.bytes);
  for (std::int32_t i = 1; i < p; ++i) {
    const Range theirs = a.blocks[fabric.neighbour(i)];
    const std::byte* block = fabric.receive_packets(group, fabric.neighbour(i), theirs.bytes);
    if (!fabric.failed(group)) copy(group, a.output + theirs.offset, block, theirs.bytes);
  }
}

}  // namespace sluice
