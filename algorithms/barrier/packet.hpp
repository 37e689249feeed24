// Barrier by packets: everybody shows everybody one empty line.
//
// Cost: alpha. Needs: mapped segments.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void barrier_packet(const Group& group, Fabric& fabric, const Math&, const Arguments&) {
  fabric.broadcast_packets(group, nullptr, 0);
  for (std::int32_t i = 1; i < fabric.size(); ++i)
    fabric.receive_broadcast_packets(group, fabric.neighbour(i), 0);
}

}  // namespace sluice
