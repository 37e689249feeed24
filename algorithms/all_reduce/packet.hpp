// All-reduce by packets: everybody shows everybody its whole input, everybody adds.
//
//   1. put the input as packets for all
//   2. for each rank: its packets arrive
//   3. output = input of rank 0 op input of rank 1 op ...
//
// Cost: alpha + (p - 1) n beta, one line each way for n <= 56 bytes. Best for the smallest
// messages. Order of additions: by rank, the same everywhere, so all ranks get the same bits.
// Needs: mapped segments; n <= kPacketBytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_packet(const Group& group, Fabric& fabric, const Math& math,
                                 const Arguments& a) {
  fabric.broadcast_packets(group, a.input, a.bytes());
  for (std::int32_t r = 0; r < fabric.size(); ++r)
    fabric.set_source(
        group, r,
        r == fabric.rank() ? a.input : fabric.receive_broadcast_packets(group, r, a.bytes()));
  if (fabric.failed(group)) return;
  void* output[1] = {a.output};
  math.reduce(group, output, 1, fabric.sources(), static_cast<unsigned>(fabric.size()), a.bytes(),
              true, 0);
}

}  // namespace sluice
