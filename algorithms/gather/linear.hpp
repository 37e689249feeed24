// Gather over links: everybody sends its block to the root, which takes them in turn, piece by
// piece.
//
// Cost: alpha + (p - 1) / p n beta at the root. Needs: links to the root.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void gather_linear(const Group& group, Fabric& fabric, const Math&, const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  if (fabric.rank() == a.root) copy(group, a.output + mine.offset, a.input, mine.bytes);
  const std::uint64_t piece_bytes = fabric.piece_bytes();
  for (std::uint64_t k = 0; k < a.blocks.slices(piece_bytes); ++k) {
    if (fabric.rank() != a.root) {
      const Range piece = mine.slice(k, piece_bytes);
      fabric.send(group, a.root, a.input + (piece.offset - mine.offset), piece.bytes);
      continue;
    }
    for (std::int32_t i = 1; i < fabric.size(); ++i) {
      const Range piece = a.blocks[fabric.neighbour(i)].slice(k, piece_bytes);
      fabric.receive_copy(group, fabric.neighbour(i), a.output + piece.offset, piece.bytes);
    }
  }
}

}  // namespace sluice
