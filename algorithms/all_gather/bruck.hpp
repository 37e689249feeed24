// All-gather by Bruck's algorithm: with each step a rank knows twice as many blocks. It hands all
// that it has to the rank 1, 2, 4, ... behind, and gets as many from the one as far before. Where
// these are one, with a power of two of ranks, it is known as recursive doubling.
//
//   blocks that rank 4 of 5 has:  4 | 4 3 | 4 3 2 1 | 4 3 2 1 0
//   of 8:                         4 | 4 5 | 4 5 6 7 | 4 5 6 7 0 1 2 3
//
// Cost: ceil(log2 p) alpha + (p - 1) n beta, and a copy of everything into its partners. Fewest
// messages: for small blocks, and for ranks that share cores, where each message costs all of them
// time. Needs: links; blocks of one length.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/partners.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// Slice `k` of every block, as much as one message can carry for all ranks. What has come lies in
/// the scratch: this rank's, then that of the rank at distance 1, ...
template <ThreadGroup Group, class Fabric>
SLUICE_FN void all_gather_bruck_slice(const Group& group, Fabric& fabric, const Arguments& a,
                                      std::uint64_t k, std::uint64_t slice_bytes) {
  const std::int32_t p = fabric.size();
  const Partners partners = Partners::of(fabric);
  const Range block = a.blocks[fabric.rank()], mine = block.slice(k, slice_bytes);
  const std::uint64_t n = mine.bytes;
  std::byte* const known = fabric.piece_scratch();
  copy(group, known, a.input + (mine.offset - block.offset), n);
  group.sync();
  for (std::int32_t have = 1; have < p; have *= 2) {
    const auto wanted = static_cast<std::uint64_t>(have < p - have ? have : p - have);
    std::byte* const news = known + static_cast<std::uint64_t>(have) * n;
    fabric.send(group, partners.receiver(have), known, wanted * n);
    fabric.receive_copy(group, partners.sender(have), news, wanted * n);
  }
  for (std::int32_t i = 0; i < p; ++i) {
    const Range theirs = a.blocks[partners.sender(i)].slice(k, slice_bytes);
    copy(group, a.output + theirs.offset, known + static_cast<std::uint64_t>(i) * n, n);
  }
  group.sync();
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_gather_bruck(const Group& group, Fabric& fabric, const Math&,
                                const Arguments& a) {
  const std::uint64_t share = fabric.piece_bytes() / static_cast<std::uint64_t>(fabric.size());
  const std::uint64_t slice_bytes = share == 0 ? 1 : share;
  for (std::uint64_t k = 0; k < a.blocks.slices(slice_bytes); ++k)
    all_gather_bruck_slice(group, fabric, a, k, slice_bytes);
}

}  // namespace sluice
