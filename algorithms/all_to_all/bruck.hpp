// All-to-all by Bruck's algorithm: each block travels from rank to rank, by one step of 1, 2, 4 ...
// for every bit of the distance that it has to go; all that take the same step travel together.
//
//   distances of the blocks that take each step, of 5 ranks:  1 3 | 2 3 | 4
//
// Cost: ceil(log2 p) (alpha + p / 2 n beta): fewest messages, but a block is sent up to log2 p
// times. For small blocks. Needs: links; blocks of one length.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/partners.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// Slice `k` of every block. Half of the scratch has the blocks on their way, by distance; the
/// other half those that take a step, one behind the other.
template <ThreadGroup Group, class Fabric>
SLUICE_FN void all_to_all_bruck_slice(const Group& group, Fabric& fabric, const Arguments& a,
                                      std::uint64_t k, std::uint64_t slice_bytes) {
  const std::int32_t p = fabric.size();
  const Partners partners = Partners::of(fabric);
  const std::uint64_t n = a.blocks[fabric.rank()].slice(k, slice_bytes).bytes;
  std::byte* const blocks = fabric.piece_scratch();
  std::byte* const together = blocks + static_cast<std::uint64_t>(p) * n;
  const auto block = [&](std::int32_t i) { return blocks + static_cast<std::uint64_t>(i) * n; };
  for (std::int32_t i = 0; i < p; ++i)
    copy(group, block(i), a.input + a.blocks[partners.receiver(i)].slice(k, slice_bytes).offset, n);
  group.sync();
  for (std::int32_t step = 1; step < p; step *= 2) {
    std::uint64_t bytes = 0;
    const auto each = [&](auto visit) {
      bytes = 0;
      for (std::int32_t i = step; i < p; ++i)
        if ((i & step) != 0) {
          visit(block(i), together + bytes);
          bytes += n;
        }
    };
    each([&](std::byte* from, std::byte* to) { copy(group, to, from, n); });
    group.sync();
    fabric.send(group, partners.receiver(step), together, bytes);
    fabric.receive_copy(group, partners.sender(step), together, bytes);
    each([&](std::byte* to, std::byte* from) { copy(group, to, from, n); });
    group.sync();
  }
  for (std::int32_t i = 0; i < p; ++i)
    copy(group, a.output + a.blocks[partners.sender(i)].slice(k, slice_bytes).offset, block(i), n);
  group.sync();
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_to_all_bruck(const Group& group, Fabric& fabric, const Math&,
                                const Arguments& a) {
  const std::uint64_t share =
      fabric.piece_bytes() / (2 * static_cast<std::uint64_t>(fabric.size()));
  const std::uint64_t slice_bytes = share == 0 ? 1 : share;
  for (std::uint64_t k = 0; k < a.blocks.slices(slice_bytes); ++k)
    all_to_all_bruck_slice(group, fabric, a, k, slice_bytes);
}

}  // namespace sluice
