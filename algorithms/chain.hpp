// A chain of ranks from a root: who is before and behind one, and when it is quicker than a tree.
#pragma once

#include <cstdint>

#include "base/port.hpp"
#include "channel/segment.hpp"

namespace sluice {

/// A rank's place. The root's `before` and the last rank's `behind` are each other.
struct Chain {
  std::int32_t before;
  std::int32_t behind;
  bool is_root;
  bool is_last;

  SLUICE_FN static constexpr Chain at(std::int32_t rank, std::int32_t ranks, std::int32_t root) {
    const std::int32_t before = (rank + ranks - 1) % ranks, behind = (rank + 1) % ranks;
    return {before, behind, rank == root, behind == root};
  }
};

/// Whether a message of so many bytes should go down a chain of so many hosts rather than a tree:
/// each host sends it once where the root of a tree sends it log2 of them times, but it takes more
/// steps to fill the chain.
SLUICE_FN constexpr bool chain_pays(std::int32_t hosts, std::uint64_t bytes) {
  return hosts > 2 && bytes > static_cast<std::uint64_t>(hosts) * kHostLinks.piece_bytes;
}

}  // namespace sluice
