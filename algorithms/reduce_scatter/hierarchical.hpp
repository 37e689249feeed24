// Reduce-scatter over several hosts: for each host in turn the ranks of this one sum what its ranks
// are to get, then each rank sends its sum to its like there.
//
// Every byte of a result crosses the network once for a host that adds to it, not for a rank; all
// ranks of a host share the work. In pieces: while one is on the network, the sums for the next
// host are made. Cost: (h - 1) (alpha + n beta) for each of a host's ranks across; h reductions
// through the stage within. Order of additions: by rank within a host; own host first, then those
// before it around the ring. Types under 32 bits are rounded in between. Needs: hosts with equally
// many ranks, mapped segments within, links across.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/hierarchy.hpp"
#include "algorithms/reduce_scatter/staged.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_hierarchical(const Group& group, Fabric& fabric, const Math& math,
                                           const Arguments& a) {
  const std::uint64_t piece_bytes = fabric.piece_bytes();
  const HostsView& hosts = fabric.hosts();
  const std::int32_t me = fabric.within().rank();
  auto across = same_place(group, fabric);
  Arguments part = a;
  for (std::uint64_t k = 0; k < a.blocks.slices(piece_bytes); ++k) {
    // Piece k of the sum over this host for the ranks of host h; returns how long this rank's is.
    const auto sum_for = [&](std::int32_t h, std::byte* sum) {
      part.blocks = a.blocks.of(hosts.ranks_on(h)).sliced(k, piece_bytes);
      part.output = sum;
      reduce_scatter_staged(group, next_within(group, fabric), math.partial(), part);
      return part.blocks[me].bytes;
    };
    for (std::int32_t i = 1; i < hosts.hosts; ++i) {
      const std::int32_t to = across.neighbour(i);
      const std::uint64_t bytes = sum_for(to, fabric.piece_scratch());
      across.send(group, to, fabric.piece_scratch(), bytes);
    }
    std::byte* const own = a.output + k * piece_bytes;
    const std::uint64_t bytes = sum_for(hosts.host, own);
    for (std::int32_t i = 1; i < hosts.hosts; ++i)
      across.receive_reduce(group, math, across.neighbour(-i), own, own, bytes, true,
                            i == hosts.hosts - 1);
  }
}

}  // namespace sluice
