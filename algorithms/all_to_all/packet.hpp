// All-to-all by packets: everybody sends everybody its block.
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
SLUICE_FN void all_to_all_packet(const Group& group, Fabric& fabric, const Math&,
                                 const Arguments& a) {
  const std::int32_t p = fabric.size();
  for (std::int32_t i = 1; i < p; ++i) {
    const Range out = a.blocks[fabric.neighbour(i)];
    fabric.put_packets(group, fabric.neighbour(i), a.input + out.offset, out.bytes);
  }
  const Range own = a.blocks[fabric.rank()];
  copy(group, a.output + own.offset, a.input + own.offset, own.bytes);
  for (std::int32_t i = 1; i < p; ++i) {
    const Range in = a.blocks[fabric.neighbour(-i)];
    const std::byte* block = fabric.receive_packets(group, fabric.neighbour(-i), in.bytes);
    if (!fabric.failed(group)) copy(group, a.output + in.offset, block, in.bytes);
  }
}

}  // namespace sluice
