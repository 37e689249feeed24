// Broadcast between the users' own buffers, with the work shared: the others fetch all but the last
// p-th of the root's input, the root itself puts the last p-th into their outputs, so all cores
// copy. One copy.
//
// Cost: 2 alpha + (p - 1) / p n beta. Needs: the root's input and the others' outputs within reach.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void broadcast_direct(const Group& group, Fabric& fabric, const Math&,
                                const Arguments& a) {
  const std::int32_t p = fabric.size();
  const Range whole{0, a.bytes()};
  const std::uint64_t fetched =
      Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p))[p - 1].offset;
  if (fabric.rank() != a.root) {
    fabric.get(group, a.root, PeerBuffer::kInput, 0, a.output, fetched);
    fabric.publish(group, kConsumed, 1);
    return fabric.wait_for(group, a.root, kConsumed, 1);
  }
  for (std::int32_t i = 1; i < p; ++i)
    fabric.put(group, fabric.neighbour(i), PeerBuffer::kOutput, fetched, a.input + fetched,
               whole.bytes - fetched);
  fabric.publish(group, kConsumed, 1);
  copy(group, a.output, a.input, whole.bytes, fabric.streaming(whole.bytes));
  for (std::int32_t i = 1; i < p; ++i) fabric.wait_for(group, fabric.neighbour(i), kConsumed, 1);
}

}  // namespace sluice
