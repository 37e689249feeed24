// All-reduce around a ring: reduce-scatter in p - 1 steps, then all-gather in p - 1 steps.
//
// Block b starts at rank b and collects one rank's share per step; then the finished blocks go
// round once more. Cost: 2 (p - 1) alpha + 2 (p - 1) / p n beta on each link: the least bytes of
// all schedules over links. Order of additions: block b: ranks b, b + 1, ..., b + p - 1. Types
// under 32 bits are rounded at every step. Needs: links to both neighbours only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_ring(const Group& group, Fabric& fabric, const Math& math,
                               const Arguments& a) {
  const std::int32_t p = fabric.size(), right = fabric.neighbour(1), left = fabric.neighbour(-1);
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p));
  if (p == 1) return copy(group, a.output, a.input, a.bytes());
  constexpr std::uint64_t kSlice = Fabric::kPieceBytes;
  for (std::uint64_t k = 0; k < blocks.slices(kSlice); ++k) {
    const auto block = [&](std::int32_t distance) {
      return blocks[fabric.neighbour(distance)].slice(k, kSlice);
    };
    for (std::int32_t step = 0; step < p - 1; ++step) {  // reduce-scatter
      const Range out = block(-step), in = block(-step - 1);
      fabric.send(group, right, (step == 0 ? a.input : a.output) + out.offset, out.bytes);
      fabric.receive_reduce(group, math, left, a.input + in.offset, a.output + in.offset, in.bytes,
                            false, step == p - 2);
    }
    for (std::int32_t step = 0; step < p - 1; ++step) {  // all-gather
      const Range out = block(1 - step), in = block(-step);
      fabric.send(group, right, a.output + out.offset, out.bytes);
      fabric.receive_copy(group, left, a.output + in.offset, in.bytes);
    }
  }
}

}  // namespace sluice
