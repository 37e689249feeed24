// All-reduce as a reduce up a binomial tree to rank 0 and a broadcast down it, piece by piece.
//
// Cost: 2 ceil(log2 p) (alpha + n beta). Fewest messages in all: p - 1 up, p - 1 down.
// Order of additions: in the shape of the tree, by rank. Types under 32 bits are rounded at every
// step. Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/broadcast/tree.hpp"
#include "algorithms/reduce/tree.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_tree(const Group& group, Fabric& fabric, const Math& math,
                               const Arguments& a) {
  const BinomialTree tree = BinomialTree::at(fabric.rank(), fabric.size(), 0);
  const Range whole{0, a.bytes()};
  const std::uint64_t piece_bytes =
      tree_piece_bytes(kHostLinks.slot_bytes, fabric.slot_bytes(), whole.bytes);
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    std::byte* output = a.output + piece.offset;
    reduce_tree_piece(group, fabric, math, tree, a.input + piece.offset, output, piece.bytes);
    broadcast_tree_piece(group, fabric, tree, output, piece.bytes);
  }
}

}  // namespace sluice
