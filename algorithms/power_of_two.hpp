// Schedules for a power of two of ranks, used with any number: the first ranks pair up and one of
// each pair works.
#pragma once

#include <cstdint>

#include "base/port.hpp"

namespace sluice {

/// Of p ranks, 2 * extra ranks form pairs (2i, 2i + 1) in which the even one hands its data to the
/// odd one before and gets the result after; `core` (a power of two) ranks take part in between.
struct PowerOfTwo {
  std::int32_t core = 1;
  std::int32_t extra = 0;

  SLUICE_FN static constexpr PowerOfTwo of(std::int32_t ranks) {
    PowerOfTwo shape;
    while (shape.core * 2 <= ranks) shape.core *= 2;
    shape.extra = ranks - shape.core;
    return shape;
  }
  SLUICE_FN constexpr bool steps_aside(std::int32_t rank) const {
    return rank < 2 * extra && rank % 2 == 0;
  }
  SLUICE_FN constexpr bool stands_for_two(std::int32_t rank) const {
    return rank < 2 * extra && rank % 2 == 1;
  }
  /// Number of a working rank among the `core`, and back.
  SLUICE_FN constexpr std::int32_t position(std::int32_t rank) const {
    return rank < 2 * extra ? rank / 2 : rank - extra;
  }
  SLUICE_FN constexpr std::int32_t rank_at(std::int32_t position) const {
    return position < extra ? 2 * position + 1 : position + extra;
  }
};

}  // namespace sluice
