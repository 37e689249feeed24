// Broadcast by packets: the root shows everybody its data.
//
// Cost: alpha + n beta. Best for small messages. Needs: mapped segments; n <= kPacketBytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void broadcast_packet(const Group& group, Fabric& fabric, const Math&,
                                const Arguments& a) {
  const std::byte* data = a.input;
  if (fabric.rank() == a.root)
    fabric.broadcast_packets(group, a.input, a.bytes());
  else
    data = fabric.receive_broadcast_packets(group, a.root, a.bytes());
  if (!fabric.failed(group)) copy(group, a.output, data, a.bytes());
}

}  // namespace sluice
