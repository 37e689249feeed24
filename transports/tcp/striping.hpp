// Which rail takes the next frame.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

namespace sluice::transport::tcp {

/// Longer puts are cut into frames of this size when there are several rails.
inline constexpr std::uint64_t kStripeBytes = std::uint64_t{64} << 10;

/// A rail as the choice sees it.
struct RailLoad {
  bool has_room = false;  // in its socket; false: it is down, or must be waited for
  double bytes_per_s = 0;
  double latency_s = 0;
  std::uint64_t in_flight_bytes = 0;  // what is not acknowledged

  /// When the last of so many further bytes would be there.
  double finish_s(std::uint64_t bytes) const {
    return latency_s + static_cast<double>(in_flight_bytes + bytes) / bytes_per_s;
  }
};

/// More than this is not on its way at a time: what is queued in the system cannot be given to
/// another rail any more. The way there and back, and twenty milliseconds in which nobody may look
/// after it; at least two frames.
inline std::uint64_t most_in_flight(const RailLoad& rail) {
  const double bytes = rail.bytes_per_s * (rail.latency_s + 0.020);
  return std::max(2 * kStripeBytes, static_cast<std::uint64_t>(std::min(bytes, 1e15)));
}

inline bool takes(const RailLoad& rail, std::uint64_t frame_bytes) {
  // What is small is not worth waiting for.
  constexpr std::uint64_t kSmallBytes = 4096;
  return rail.has_room && (frame_bytes <= kSmallBytes || rail.in_flight_bytes == 0 ||
                           rail.in_flight_bytes + frame_bytes <= most_in_flight(rail));
}

/// The rail on which the frame would be there first, of those that can take it. None: it waits, for
/// room, or because some other rail would be done with all `bytes_left` (this frame and what is
/// behind it) before any of these with this frame: so a slow rail never makes the others wait for
/// it.
inline std::optional<std::size_t> choose_rail(std::span<const RailLoad> rails,
                                              std::uint64_t frame_bytes, std::uint64_t bytes_left) {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < rails.size(); ++i) {
    if (!takes(rails[i], frame_bytes)) continue;
    if (!best || rails[i].finish_s(frame_bytes) < rails[*best].finish_s(frame_bytes)) best = i;
  }
  if (!best) return best;
  const double finish_s = rails[*best].finish_s(frame_bytes);
  const bool better_left = std::any_of(rails.begin(), rails.end(), [&](const RailLoad& other) {
    return other.in_flight_bytes > 0 && other.finish_s(bytes_left) < finish_s;
  });
  if (better_left) best.reset();
  return best;
}

}  // namespace sluice::transport::tcp
