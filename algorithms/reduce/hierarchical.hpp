// Reduce over several hosts: each sums for one of its ranks, these up a tree of one rank each, or,
// large, along a chain of them.
//
// In pieces, so that a piece is summed within a host while the one before is on the network. Cost:
// log2 h (alpha + n beta) across, or (h - 1) alpha + n beta; a reduction by packets or through the
// stage within. Order of additions: by rank within a host, then over the hosts, counted from the
// root's, in the shape of the tree or along the chain, the last two first. Types under 32 bits are
// rounded in between. Needs: mapped segments within a host, links across.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/binomial_tree.hpp"
#include "algorithms/chain.hpp"
#include "algorithms/hierarchy.hpp"
#include "algorithms/reduce/chain.hpp"
#include "algorithms/reduce/packet.hpp"
#include "algorithms/reduce/tree.hpp"
#include "algorithms/reduce/two_shot.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_hierarchical(const Group& group, Fabric& fabric, const Math& math,
                                   const Arguments& a) {
  const HostsView& hosts = fabric.hosts();
  auto across = one_of_each(group, fabric, a.root);
  const BinomialTree tree = BinomialTree::at(hosts.host, hosts.hosts, hosts.host_of[a.root]);
  const Chain chain = Chain::at(hosts.host, hosts.hosts, hosts.host_of[a.root]);
  const bool in_chain = chain_pays(hosts.hosts, a.bytes());
  const Range whole{0, a.bytes()};
  Arguments part = a;
  part.root = place_of_team_member(hosts);
  const std::uint64_t piece_bytes =
      tree_piece_bytes(kHostLinks.piece_bytes, fabric.piece_bytes(), whole.bytes);
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    std::byte* const sum =
        fabric.rank() == a.root ? a.output + piece.offset : fabric.piece_scratch();
    part.input = a.input + piece.offset;
    part.output = sum;
    part.count = piece.bytes / a.elem_bytes;
    if (a.bytes() <= kPacketBytes)
      reduce_packet(group, next_within(group, fabric), math.partial(), part);
    else
      reduce_two_shot(group, next_within(group, fabric), math.partial(), part);
    if (fabric.within().rank() == part.root && in_chain)
      reduce_chain_piece(group, across, math, chain, sum, sum, piece.bytes);
    else if (fabric.within().rank() == part.root)
      reduce_tree_piece(group, across, math, tree, sum, sum, piece.bytes);
  }
}

}  // namespace sluice
