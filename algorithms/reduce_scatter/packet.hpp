// Reduce-scatter by packets: everybody sends each rank its block, everybody adds what it got.
//
// Cost: alpha + (p - 1) / p n beta. Best for small blocks.
// Order of additions: by rank. Needs: mapped segments; blocks <= kPacketBytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_packet(const Group& group, Fabric& fabric, const Math& math,
                                     const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  for (std::int32_t i = 1; i < p; ++i) {
    const std::int32_t r = fabric.neighbour(i);
    fabric.put_packets(group, r, a.input + a.blocks[r].offset, a.blocks[r].bytes);
  }
  for (std::int32_t r = 0; r < p; ++r)
    fabric.set_source(group, r,
                      r == me ? a.input + a.blocks[me].offset
                              : fabric.receive_packets(group, r, a.blocks[me].bytes));
  if (fabric.failed(group)) return;
  void* output[1] = {a.output};
  math.reduce(group, output, 1, fabric.sources(), static_cast<unsigned>(p), a.blocks[me].bytes,
              true, 0);
}

}  // namespace sluice
