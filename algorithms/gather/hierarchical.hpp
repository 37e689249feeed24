// Gather over several hosts: each gathers to one of its ranks, which sends all of it to the root as
// one message.
//
// As many bytes cross the network as in linear, in as many messages as there are other hosts. Cost:
// (h - 1) (alpha + p / h n beta) at the root; packets within. Needs: mapped segments within a host,
// links across; blocks <= kPacketBytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/blocks.hpp"
#include "algorithms/gather/packet.hpp"
#include "algorithms/hierarchy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void gather_hierarchical(const Group& group, Fabric& fabric, const Math& math,
                                   const Arguments& a) {
  const HostsView& hosts = fabric.hosts();
  auto across = one_of_each(group, fabric, a.root);
  const std::int32_t home = hosts.host_of[a.root];
  const std::uint64_t slice = merged_slice_bytes(hosts);
  Arguments part = a;
  part.root = place_of_team_member(hosts);
  for (std::uint64_t k = 0; k < a.blocks.slices(slice); ++k) {
    const auto blocks_of = [&](std::int32_t h) {
      return a.blocks.of(hosts.ranks_on(h)).sliced(k, slice);
    };
    const std::uint64_t bytes = a.blocks[fabric.rank()].slice(k, slice).bytes;
    const auto ranks_here = static_cast<std::uint64_t>(count_on(hosts, hosts.host));
    part.input = a.input + k * slice;
    part.output = hosts.host == home ? a.output : fabric.piece_scratch();
    part.blocks = hosts.host == home ? blocks_of(home) : Blocks::equal(bytes, 1, ranks_here);
    gather_packet(group, next_within(group, fabric), math, part);
    if (fabric.rank() == a.root)
      for (std::int32_t i = 1; i < hosts.hosts; ++i) {
        const std::int32_t from = across.neighbour(i);
        receive_merged(group, across, from, blocks_of(from), count_on(hosts, from), a.output);
      }
    else if (fabric.within().rank() == part.root)
      across.send(group, home, fabric.piece_scratch(), bytes * ranks_here);
  }
}

}  // namespace sluice
