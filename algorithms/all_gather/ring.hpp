// All-gather around a ring: in each of p - 1 steps pass on the block that came last.
//
// Cost: (p - 1) (alpha + n / p beta). Needs: links to both neighbours only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_gather_ring(const Group& group, Fabric& fabric, const Math&,
                               const Arguments& a) {
  const std::int32_t p = fabric.size(), right = fabric.neighbour(1), left = fabric.neighbour(-1);
  const Range mine = a.blocks[fabric.rank()];
  copy(group, a.output + mine.offset, a.input, mine.bytes);
  constexpr std::uint64_t kSlice = Fabric::kPieceBytes;
  for (std::uint64_t k = 0; k < a.blocks.slices(kSlice); ++k) {
    const auto block = [&](std::int32_t distance) {
      return a.blocks[fabric.neighbour(distance)].slice(k, kSlice);
    };
    for (std::int32_t step = 0; step < p - 1; ++step) {
      const Range out = block(-step), in = block(-step - 1);
      fabric.send(group, right, a.output + out.offset, out.bytes);
      fabric.receive_copy(group, left, a.output + in.offset, in.bytes);
    }
  }
}

}  // namespace sluice
