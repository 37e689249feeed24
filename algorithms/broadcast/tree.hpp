// Broadcast down a binomial tree, piece by piece.
//
// Cost: ceil(log2 p) (alpha + n beta), pipelined over pieces. Over links.
// Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/binomial_tree.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric>
SLUICE_FN void broadcast_tree_piece(const Group& group, Fabric& fabric, const BinomialTree& tree,
                                    std::byte* data, std::uint64_t bytes) {
  if (!tree.is_root()) fabric.receive_copy(group, tree.parent(), data, bytes);
  tree.children_farthest_first([&](std::int32_t child) { fabric.send(group, child, data, bytes); });
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void broadcast_tree(const Group& group, Fabric& fabric, const Math&, const Arguments& a) {
  const BinomialTree tree = BinomialTree::at(fabric.rank(), fabric.size(), a.root);
  if (tree.is_root()) copy(group, a.output, a.input, a.bytes());
  const Range whole{0, a.bytes()};
  const std::uint64_t piece_bytes =
      tree_piece_bytes(kHostLinks.piece_bytes, fabric.piece_bytes(), whole.bytes);
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    broadcast_tree_piece(group, fabric, tree, a.output + piece.offset, piece.bytes);
  }
}

}  // namespace sluice
