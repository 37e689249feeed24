// Reduce up a binomial tree, piece by piece.
//
// Each rank adds its children's partial results, nearest first, to its own input and passes the sum
// to its parent. Cost: ceil(log2 p) (alpha + n beta). For small messages over links. Order of
// additions: positions counted from the root, in the shape of the tree. Types under 32 bits are
// rounded at every step. Needs: links; a scratch buffer of `piece` bytes on ranks without an
// output.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/binomial_tree.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_tree_piece(const Group& group, Fabric& fabric, const Math& math,
                                 const BinomialTree& tree, const std::byte* input, std::byte* sum,
                                 std::uint64_t bytes) {
  copy(group, sum, input, bytes);
  tree.children_nearest_first([&](std::int32_t child) {
    fabric.receive_reduce(group, math, child, sum, sum, bytes, true, false);
  });
  if (!tree.is_root()) return fabric.send(group, tree.parent(), sum, bytes);
  group.sync();  // without children, what other threads have copied is added up here
  const void* source[1] = {sum};
  void* to[1] = {sum};
  math.reduce(group, to, 1, source, 1, bytes, true,
              0);  // what belongs at the end: an average's division
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_tree(const Group& group, Fabric& fabric, const Math& math,
                           const Arguments& a) {
  const BinomialTree tree = BinomialTree::at(fabric.rank(), fabric.size(), a.root);
  const Range whole{0, a.bytes()};
  const std::uint64_t piece_bytes =
      tree_piece_bytes(kHostLinks.slot_bytes, fabric.slot_bytes(), whole.bytes);
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    std::byte* sum = tree.is_root() ? a.output + piece.offset : fabric.piece_scratch();
    reduce_tree_piece(group, fabric, math, tree, a.input + piece.offset, sum, piece.bytes);
  }
}

}  // namespace sluice
