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
#include "algorithms/send_ahead.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_ring(const Group& group, Fabric& fabric, const Math& math,
                                   const Arguments& a) {
  const std::int32_t p = fabric.size(), right = fabric.neighbour(1), left = fabric.neighbour(-1);
  const Range mine = a.blocks[fabric.rank()];
  if (p == 1) return copy(group, a.output, a.input + mine.offset, mine.bytes);
  // Slots, not pieces: a sum is passed on as soon as it is there.
  const std::uint64_t slice_bytes = fabric.slot_bytes();
  const std::uint64_t under_way = ahead_shape(fabric).under_way;
  const auto slice = [&](std::int32_t distance, std::uint64_t k) {
    return a.blocks[fabric.neighbour(distance)].slice(k, slice_bytes);
  };
  const auto sum = [&](std::uint64_t k) {
    return fabric.piece_scratch() + k % under_way * slice_bytes;
  };
  send_slices_ahead(
      a.blocks.slices(slice_bytes), static_cast<std::uint64_t>(p - 1), under_way,
      [&](std::uint64_t k, std::int32_t step) {
        const Range out = slice(-1 - step, k);
        fabric.send(group, right, step == 0 ? a.input + out.offset : sum(k), out.bytes);
      },
      [&](std::uint64_t k, std::int32_t step) {
        const Range in = slice(-2 - step, k);
        const bool home = step == p - 2;
        fabric.receive_reduce(group, math, left, a.input + in.offset,
                              home ? a.output + (in.offset - mine.offset) : sum(k), in.bytes, false,
                              home);
      });
}

}  // namespace sluice
