// Broadcast over several hosts: down a tree of one rank each, or, large, along a chain of them, and
// from that rank to its neighbours.
//
// In pieces, so that a piece is shared within a host while the next one is on the network. Cost:
// log2 h (alpha + n beta) across, or (h - 1) alpha + n beta; a copy into and out of the stage
// within. Needs: mapped segments within a host, links across.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/binomial_tree.hpp"
#include "algorithms/broadcast/chain.hpp"
#include "algorithms/broadcast/staged.hpp"
#include "algorithms/broadcast/tree.hpp"
#include "algorithms/chain.hpp"
#include "algorithms/hierarchy.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void broadcast_hierarchical(const Group& group, Fabric& fabric, const Math& math,
                                      const Arguments& a) {
  const HostsView& hosts = fabric.hosts();
  auto across = one_of_each(group, fabric, a.root);
  const std::int32_t source = hosts.team[hosts.host];  // of this host
  const BinomialTree tree = BinomialTree::at(hosts.host, hosts.hosts, hosts.host_of[a.root]);
  const Chain chain = Chain::at(hosts.host, hosts.hosts, hosts.host_of[a.root]);
  const bool in_chain = chain_pays(hosts.hosts, a.bytes());
  if (fabric.rank() == a.root) copy(group, a.output, a.input, a.bytes());
  const Range whole{0, a.bytes()};
  Arguments part{.elem_bytes = 1, .root = place_of_team_member(hosts)};
  const std::uint64_t piece_bytes =
      tree_piece_bytes(kHostLinks.piece_bytes, fabric.piece_bytes(), whole.bytes);
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    std::byte* const data = a.output + piece.offset;
    if (fabric.rank() == source && in_chain)
      broadcast_chain_piece(group, across, chain, data, piece.bytes);
    else if (fabric.rank() == source)
      broadcast_tree_piece(group, across, tree, data, piece.bytes);
    part.input = part.output = data;
    part.count = piece.bytes;
    broadcast_staged(group, next_within(group, fabric), math, part);
  }
}

}  // namespace sluice
