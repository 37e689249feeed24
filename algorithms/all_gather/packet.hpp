// All-gather by packets: everybody shows everybody its block.
//
// Cost: alpha + (p - 1) / p n beta. Best for small blocks. Needs: mapped segments; blocks <=
// kPacketBytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_gather_packet(const Group& group, Fabric& fabric, const Math&,
                                 const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  fabric.broadcast_packets(group, a.input, a.blocks[me].bytes);
  copy(group, a.output + a.blocks[me].offset, a.input, a.blocks[me].bytes);
  for (std::int32_t i = 1; i < p; ++i) {
    const std::int32_t r = fabric.neighbour(i);
    const std::byte* block = fabric.receive_broadcast_packets(group, r, a.blocks[r].bytes);
    if (!fabric.failed(group)) copy(group, a.output + a.blocks[r].offset, block, a.blocks[r].bytes);
  }
}

}  // namespace sluice
