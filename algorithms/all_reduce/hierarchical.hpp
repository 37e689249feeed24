// All-reduce over several hosts: reduce-scatter within each, all-reduce across them, all-gather
// within each.
//
// The buffer is cut into as many blocks as the smallest host has ranks. The rank with place b of
// each host sums block b of its host, then with its likes on the other hosts, so that all of them
// use the network at once and every byte crosses it 2 (h - 1) / h times for a host, not for a rank.
// Cost: 4 alpha within; across, log2 h alpha for short blocks, 2 (h - 1) alpha for long ones, and
// 2 (h - 1) / h n beta. Order of additions: by rank within a host, then that of the schedule
// across. Types under 32 bits are rounded in between. Needs: mapped segments within a host, links
// across.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/all_gather/staged.hpp"
#include "algorithms/all_reduce/recursive_doubling.hpp"
#include "algorithms/all_reduce/ring.hpp"
#include "algorithms/arguments.hpp"
#include "algorithms/hierarchy.hpp"
#include "algorithms/reduce_scatter/staged.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// Up to this size of a block its latency counts for more than its bytes.
inline constexpr std::uint64_t kDoublingBytes = 32 * 1024;

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_hierarchical(const Group& group, Fabric& fabric, const Math& math,
                                       const Arguments& a) {
  const std::int32_t me = fabric.within().rank(), places = fabric.hosts().places;
  Arguments part = a;
  part.blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(places));
  const Range block = part.blocks[me];  // empty for a rank without its like on every host
  std::byte* const sum = a.output + block.offset;

  part.output = sum;
  reduce_scatter_staged(group, next_within(group, fabric), math.partial(), part);
  if (me < places) {
    auto across = same_place(group, fabric);
    Arguments mine{.input = sum, .output = sum, .elem_bytes = a.elem_bytes};
    mine.count = block.bytes / a.elem_bytes;
    if (block.bytes <= kDoublingBytes)
      all_reduce_recursive_doubling(group, across, math, mine);
    else
      all_reduce_ring(group, across, math, mine);
  }
  part.input = sum;
  part.output = a.output;
  all_gather_staged(group, next_within(group, fabric), math, part);
}

}  // namespace sluice
