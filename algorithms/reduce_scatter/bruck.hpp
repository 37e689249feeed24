// Reduce-scatter by Bruck's algorithm, which is his all-gather backwards: a rank sends what it has
// for the ranks farthest away to the rank half as far, which adds it to its own; with each step it
// holds sums for half as many. With a power of two of ranks it is known as recursive halving.
//
//   blocks that rank 4 of 5 has sums for:  4 3 2 1 0 | 4 3 2 1 | 4 3 | 4
//
// Cost: ceil(log2 p) alpha + (p - 1) n beta, and a copy of the input: the fewest messages.
// Order of additions: own first, then what comes from 4, 2 and 1 ranks away, which were added
// likewise. Types under 32 bits are rounded at every step. Needs: links; blocks of one length.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/partners.hpp"
#include "algorithms/power_of_two.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// Slice `k` of every block, as much as one message can carry for all ranks. The scratch has sums
/// for this rank, then for its sender at distance 1, ...: from that one they come in all_gather.
template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_bruck_slice(const Group& group, Fabric& fabric, const Math& math,
                                          const Arguments& a, std::uint64_t k,
                                          std::uint64_t slice_bytes) {
  const std::int32_t p = fabric.size();
  const Partners partners = Partners::of(fabric);
  const Range block = a.blocks[fabric.rank()], mine = block.slice(k, slice_bytes);
  const std::uint64_t n = mine.bytes;
  std::byte* const sums = fabric.piece_scratch();
  std::byte* const result = a.output + (mine.offset - block.offset);
  for (std::int32_t i = 0; i < p; ++i) {
    const Range theirs = a.blocks[partners.sender(i)].slice(k, slice_bytes);
    copy(group, sums + static_cast<std::uint64_t>(i) * n, a.input + theirs.offset, n);
  }
  group.sync();
  for (std::int32_t keep = PowerOfTwo::of(p - 1).core; keep >= 1 && keep < p; keep /= 2) {
    const auto given = static_cast<std::uint64_t>(keep < p - keep ? keep : p - keep);
    fabric.send(group, partners.sender(keep), sums + static_cast<std::uint64_t>(keep) * n,
                given * n);
    fabric.receive_reduce(group, math, partners.receiver(keep), sums, keep == 1 ? result : sums,
                          given * n, true, keep == 1);
  }
  if (p == 1) copy(group, result, sums, n);
  group.sync();
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_bruck(const Group& group, Fabric& fabric, const Math& math,
                                    const Arguments& a) {
  const std::uint64_t share = fabric.piece_bytes() / static_cast<std::uint64_t>(fabric.size());
  const std::uint64_t elems = share / a.elem_bytes;
  const std::uint64_t slice_bytes = (elems == 0 ? 1 : elems) * a.elem_bytes;
  for (std::uint64_t k = 0; k < a.blocks.slices(slice_bytes); ++k)
    reduce_scatter_bruck_slice(group, fabric, math, a, k, slice_bytes);
}

}  // namespace sluice
