// Broadcast along a chain of ranks from the root, piece by piece: each passes on what it has got.
//
// Cost: (p - 1) alpha + n beta, once the pieces fill the chain: every rank sends each byte once,
// where the root of a tree sends it log2 p times. Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/binomial_tree.hpp"
#include "algorithms/chain.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric>
SLUICE_FN void broadcast_chain_piece(const Group& group, Fabric& fabric, const Chain& chain,
                                     std::byte* data, std::uint64_t bytes) {
  if (!chain.is_root) fabric.receive_copy(group, chain.before, data, bytes);
  if (!chain.is_last) fabric.send(group, chain.behind, data, bytes);
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void broadcast_chain(const Group& group, Fabric& fabric, const Math&,
                               const Arguments& a) {
  const Chain chain = Chain::at(fabric.rank(), fabric.size(), a.root);
  if (chain.is_root) copy(group, a.output, a.input, a.bytes());
  const Range whole{0, a.bytes()};
  const std::uint64_t piece_bytes =
      tree_piece_bytes(kHostLinks.piece_bytes, fabric.piece_bytes(), whole.bytes);
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    broadcast_chain_piece(group, fabric, chain, a.output + piece.offset, piece.bytes);
  }
}

}  // namespace sluice
