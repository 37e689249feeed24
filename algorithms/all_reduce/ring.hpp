// All-reduce around a ring: reduce-scatter in p - 1 steps, then all-gather in p - 1 steps.
//
// Block b starts at rank b and collects one rank's share per step; then the finished blocks go
// round once more, several slices of the blocks at a time. Cost: 2 (p - 1) alpha + 2 (p - 1) / p n
// beta on each link: the least bytes of all schedules over links. Order of additions: block b:
// ranks b, b + 1, ..., b + p - 1. Types under 32 bits are rounded at every step. Needs: links to
// both neighbours only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/send_ahead.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_ring(const Group& group, Fabric& fabric, const Math& math,
                               const Arguments& a) {
  const std::int32_t p = fabric.size(), right = fabric.neighbour(1), left = fabric.neighbour(-1);
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p));
  if (p == 1) return copy(group, a.output, a.input, a.bytes());
  const bool streaming = fabric.streaming(a.bytes());
  const AheadShape ahead = ahead_shape(fabric);
  const std::uint64_t slice_bytes = ahead.slice_bytes;
  const auto slice = [&](std::int32_t distance, std::uint64_t k) {
    return blocks[fabric.neighbour(distance)].slice(k, slice_bytes);
  };
  const std::int32_t reductions = p - 1;  // the steps of the reduce-scatter; then the all-gather's
  send_slices_ahead(
      blocks.slices(slice_bytes), 2 * static_cast<std::uint64_t>(reductions), ahead.under_way,
      [&](std::uint64_t k, std::int32_t step) {
        const Range out = slice(-step, k);
        fabric.send(group, right, (step == 0 ? a.input : a.output) + out.offset, out.bytes);
      },
      [&](std::uint64_t k, std::int32_t step) {
        const Range in = slice(-step - 1, k);
        if (step < reductions)
          fabric.receive_reduce(group, math, left, a.input + in.offset, a.output + in.offset,
                                in.bytes, false, step == reductions - 1);
        else  // the last one is not sent on from there
          fabric.receive_copy(group, left, a.output + in.offset, in.bytes,
                              streaming && step == 2 * reductions - 1);
      });
}

}  // namespace sluice
