// The binomial tree over ranks counted from a root.
#pragma once

#include <cstdint>

#include "base/port.hpp"

namespace sluice {

/// How long the pieces of a message are that goes through a tree: short enough that all levels work
/// at the same time. `least` and `most` are multiples of 64.
SLUICE_FN constexpr std::uint64_t tree_piece_bytes(std::uint64_t least, std::uint64_t most,
                                                   std::uint64_t message_bytes) {
  constexpr std::uint64_t kPieces = 16, kLine = 64;
  const std::uint64_t even = message_bytes / (kPieces * kLine) * kLine;
  return even < least ? least : even > most ? most : even;
}

/// A rank's place. Positions count from the root; the parent of a position is the position without
/// its lowest bit, its children are the positions with one lower bit more.
struct BinomialTree {
  std::int32_t ranks;
  std::int32_t root;
  std::int32_t position;

  SLUICE_FN static constexpr BinomialTree at(std::int32_t rank, std::int32_t ranks,
                                             std::int32_t root) {
    return {ranks, root, (rank - root + ranks) % ranks};
  }
  SLUICE_FN constexpr bool is_root() const { return position == 0; }
  SLUICE_FN constexpr std::int32_t rank_at(std::int32_t place) const {
    return (place + root) % ranks;
  }
  SLUICE_FN constexpr std::int32_t parent() const { return rank_at(position & (position - 1)); }
  /// The lowest bit of the position; for the root, the first power of two that holds all.
  SLUICE_FN constexpr std::int32_t reach() const {
    if (position != 0) return position & -position;
    std::int32_t power = 1;
    while (power < ranks) power *= 2;
    return power;
  }
  /// Calls visit(rank) for each child, nearest first (reduce) or farthest first (broadcast).
  template <class Visit>
  SLUICE_FN void children_nearest_first(Visit visit) const {
    for (std::int32_t bit = 1; bit < reach(); bit *= 2)
      if (position + bit < ranks) visit(rank_at(position + bit));
  }
  template <class Visit>
  SLUICE_FN void children_farthest_first(Visit visit) const {
    for (std::int32_t bit = reach() / 2; bit >= 1; bit /= 2)
      if (position + bit < ranks) visit(rank_at(position + bit));
  }
};

}  // namespace sluice
