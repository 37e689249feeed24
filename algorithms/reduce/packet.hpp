// Reduce by packets: everybody sends its whole input to the root, the root adds.
//
// Cost: alpha + (p - 1) n beta at the root. Best for small messages.
// Order of additions: by rank. Needs: mapped segments; n <= kPacketBytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_packet(const Group& group, Fabric& fabric, const Math& math,
                             const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  if (me != a.root) return fabric.put_packets(group, a.root, a.input, a.bytes());
  for (std::int32_t r = 0; r < p; ++r)
    fabric.set_source(group, r, r == me ? a.input : fabric.receive_packets(group, r, a.bytes()));
  if (fabric.failed(group)) return;
  void* output[1] = {a.output};
  math.reduce(group, output, 1, fabric.sources(), static_cast<unsigned>(p), a.bytes(), true, 0);
}

}  // namespace sluice
