// All-gather over several hosts: across them first, each rank with its likes, then each host's
// blocks within.
//
// Every block crosses the network once for a host, not for a rank; all ranks of a host share the
// work. Cost: (h - 1) (alpha + n beta) for each of a host's ranks across; a copy into and out of
// the stage within. Needs: hosts with equally many ranks, mapped segments within, links across.
#pragma once

#include <cstdint>

#include "algorithms/all_gather/ring.hpp"
#include "algorithms/all_gather/staged.hpp"
#include "algorithms/arguments.hpp"
#include "algorithms/hierarchy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_gather_hierarchical(const Group& group, Fabric& fabric, const Math& math,
                                       const Arguments& a) {
  const HostsView& hosts = fabric.hosts();
  auto across = same_place(group, fabric);
  Arguments part = a;
  part.blocks = a.blocks.of(hosts.team);
  all_gather_ring(group, across, math, part);
  for (std::int32_t h = 0; h < hosts.hosts; ++h) {
    part.blocks = a.blocks.of(hosts.ranks_on(h));
    part.input = a.output + part.blocks[fabric.within().rank()].offset;
    all_gather_staged(group, next_within(group, fabric), math, part);
  }
}

}  // namespace sluice
