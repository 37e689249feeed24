// Reduce-scatter around a ring: block b starts at rank b + 1 and collects one rank's share per step
// until it is home.
//
// Cost: (p - 1) (alpha + n / p beta). The least bytes over links.
// Order of additions: block b: ranks b + 1, b + 2, ..., b. Types under 32 bits are rounded at every
// step. Needs: links to both neighbours only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_ring(const Group& group, Fabric& fabric, const Math& math,
                                   const Arguments& a) {
  const std::int32_t p = fabric.size(), right = fabric.neighbour(1), left = fabric.neighbour(-1);
  const Range mine = a.blocks[fabric.rank()];
  if (p == 1) return copy(group, a.output, a.input + mine.offset, mine.bytes);
  constexpr std::uint64_t kSlice = LinkSlot::kDataBytes;
  for (std::uint64_t k = 0; k < a.blocks.slices(kSlice); ++k) {
    const auto block = [&](std::int32_t distance) {
      return a.blocks[fabric.neighbour(distance)].slice(k, kSlice);
    };
    fabric.send(group, right, a.input + block(-1).offset, block(-1).bytes);
    for (std::int32_t step = 1; step < p; ++step) {
      const Range in = block(-1 - step);
      const bool home = step == p - 1;
      std::byte* sum = home ? a.output + (in.offset - mine.offset) : fabric.piece_scratch();
      fabric.receive_reduce(group, math, left, a.input + in.offset, sum, in.bytes, false, home);
      if (!home) fabric.send(group, right, sum, in.bytes);
    }
  }
}

}  // namespace sluice
