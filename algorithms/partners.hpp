// Who meets whom, in schedules in which a rank sends to one and receives from one at each distance.
#pragma once

#include <cstdint>

#include "base/port.hpp"

namespace sluice {

/// For each distance from 1 to p - 1 another pair of peers. A power of two of ranks meet in pairs:
/// receiver and sender are one, and what goes both ways between two hosts takes the
/// acknowledgements along, which otherwise are packets of their own. Others go around a ring.
struct Partners {
  std::int32_t rank;
  std::int32_t ranks;
  bool in_pairs;

  template <class Fabric>
  SLUICE_FN static Partners of(const Fabric& fabric) {
    const std::int32_t p = fabric.size();
    return {fabric.rank(), p, (p & (p - 1)) == 0};
  }
  SLUICE_FN constexpr std::int32_t receiver(std::int32_t distance) const {
    return in_pairs ? rank ^ distance : (rank + distance) % ranks;
  }
  SLUICE_FN constexpr std::int32_t sender(std::int32_t distance) const {
    return in_pairs ? rank ^ distance : (rank - distance + ranks) % ranks;
  }
};

}  // namespace sluice
