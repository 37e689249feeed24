// All-to-all over several hosts: for each host in turn the ranks of this one swap what its ranks
// are to get, so that each has all that this host has for its like there, and sends it at once.
//
// As many bytes cross the network as pairwise, in as many messages as there are other hosts, not
// ranks; all ranks of a host share the work. What is on its way waits in the output where the other
// host's blocks will be. Cost: (h - 1) (alpha + p / h n beta) for each of a host's ranks across;
// two more copies of each block within. Needs: hosts with equally many ranks, mapped segments
// within, links across.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/all_to_all/packet.hpp"
#include "algorithms/all_to_all/staged.hpp"
#include "algorithms/arguments.hpp"
#include "algorithms/hierarchy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// The ranks of this host swap `a.blocks`, by the quicker way for their length.
template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_to_all_within(const Group& group, Fabric& fabric, const Math& math,
                                 const Arguments& a) {
  if (a.blocks.largest() <= kPacketBytes)
    all_to_all_packet(group, next_within(group, fabric), math, a);
  else
    all_to_all_staged(group, next_within(group, fabric), math, a);
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_to_all_hierarchical(const Group& group, Fabric& fabric, const Math& math,
                                       const Arguments& a) {
  constexpr std::uint64_t kLine = 64;
  const HostsView& hosts = fabric.hosts();
  auto across = same_place(group, fabric);
  const std::uint64_t piece =
      fabric.piece_bytes() / static_cast<std::uint64_t>(hosts.places) / kLine * kLine;
  Arguments part = a;
  for (std::uint64_t k = 0; k < a.blocks.slices(piece); ++k) {
    const auto blocks_of = [&](std::int32_t h) {
      return a.blocks.of(hosts.ranks_on(h)).sliced(k, piece);
    };
    for (std::int32_t i = 1; i <= hosts.hosts; ++i) {  // this host last: the network is busy then
      const std::int32_t to = across.neighbour(i);
      part.blocks = blocks_of(to);
      all_to_all_within(group, fabric, math, part);
      if (i != hosts.hosts) send_merged(group, across, to, part.blocks, hosts.places, a.output);
    }
    for (std::int32_t i = 1; i < hosts.hosts; ++i) {
      const std::int32_t from = across.neighbour(-i);
      receive_merged(group, across, from, blocks_of(from), hosts.places, a.output);
    }
  }
}

}  // namespace sluice
