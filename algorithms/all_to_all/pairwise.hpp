// All-to-all over links in p - 1 steps: in step i, send to the rank i behind and receive from the
// rank i before.
//
// Cost: (p - 1) (alpha + n / p beta). Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_to_all_pairwise(const Group& group, Fabric& fabric, const Math&,
                                   const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  copy(group, a.output + mine.offset, a.input + mine.offset, mine.bytes);
  constexpr std::uint64_t kPiece = Fabric::kPieceBytes;
  for (std::int32_t i = 1; i < fabric.size(); ++i) {
    const std::int32_t to = fabric.neighbour(i), from = fabric.neighbour(-i);
    for (std::uint64_t k = 0; k < a.blocks.slices(kPiece); ++k) {
      const Range out = a.blocks[to].slice(k, kPiece), in = a.blocks[from].slice(k, kPiece);
      fabric.send(group, to, a.input + out.offset, out.bytes);
      fabric.receive_copy(group, from, a.output + in.offset, in.bytes);
    }
  }
}

}  // namespace sluice
