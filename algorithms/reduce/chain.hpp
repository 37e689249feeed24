// Reduce along a chain of ranks to the root, piece by piece: each adds its own input to what comes.
//
// Cost: (p - 1) alpha + n beta, once the pieces fill the chain: every rank sends each byte once,
// where the root of a tree receives it log2 p times. Order of additions: positions counted from the
// root, the last two first. Types under 32 bits are rounded at every step. Needs: links; a scratch
// buffer of `piece` bytes on ranks other than the root.
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

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_chain_piece(const Group& group, Fabric& fabric, const Math& math,
                                  const Chain& chain, const std::byte* input, std::byte* sum,
                                  std::uint64_t bytes) {
  if (chain.is_root && chain.is_last) return copy(group, sum, input, bytes);  // alone
  if (chain.is_last) return fabric.send(group, chain.before, input, bytes);
  fabric.receive_reduce(group, math, chain.behind, input, sum, bytes, true, chain.is_root);
  if (!chain.is_root) fabric.send(group, chain.before, sum, bytes);
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_chain(const Group& group, Fabric& fabric, const Math& math,
                            const Arguments& a) {
  const Chain chain = Chain::at(fabric.rank(), fabric.size(), a.root);
  const Range whole{0, a.bytes()};
  const std::uint64_t piece_bytes =
      tree_piece_bytes(kHostLinks.piece_bytes, fabric.piece_bytes(), whole.bytes);
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    std::byte* sum = chain.is_root ? a.output + piece.offset : fabric.piece_scratch();
    reduce_chain_piece(group, fabric, math, chain, a.input + piece.offset, sum, piece.bytes);
  }
}

}  // namespace sluice
