// How staged schedules share out the stage of a rank.
#pragma once

#include <cstdint>

#include "base/port.hpp"
#include "channel/segment.hpp"

namespace sluice {

/// Slots in flight. Three stages of a pipeline touch three at once; the fourth lets a rank run
/// ahead of a slow peer.
inline constexpr std::uint64_t kStageSlots = 4;
/// Slices beyond this gain nothing: the flags are already cheap against the copying.
inline constexpr std::uint64_t kLargestSliceBytes = 128 * 1024;

/// Bytes of a slice when each slot holds `parts` of them: a multiple of a line, so of every
/// element.
SLUICE_FN constexpr std::uint64_t slice_bytes_for(std::int32_t parts) {
  const std::uint64_t fits =
      kStageBytes / kStageSlots / static_cast<std::uint64_t>(parts) / 64 * 64;
  return fits < kLargestSliceBytes ? fits : kLargestSliceBytes;
}

}  // namespace sluice
