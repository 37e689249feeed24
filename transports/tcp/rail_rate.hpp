// How quick a rail is, measured by what the owner acknowledges.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::transport::tcp {

/// Not thread-safe; told the time.
class RailRate {
 public:
  using Clock = std::chrono::steady_clock;
  /// What a rail is taken for until something has been measured: 1 Gbit/s.
  static constexpr double kAssumedBytesPerS = 125e6;
  /// Smaller frames are acknowledged late, so they say nothing.
  static constexpr std::uint64_t kMeasuredFromBytes = std::uint64_t{16} << 10;

  /// What must be known of a frame's departure once it is acknowledged.
  struct Departure {
    Clock::time_point at;
    Clock::time_point delivered_at;  // when the last frame before it was acknowledged
    std::uint64_t delivered_bytes;   // how much was by then
    bool alone;                      // nothing else was on its way
  };

  explicit RailRate(std::chrono::nanoseconds round_trip)
      : latency_s_(std::chrono::duration<double>(round_trip).count()) {}

  bool measured() const { return measured_; }
  double bytes_per_s() const { return bytes_per_s_; }
  /// The shortest time lately between a frame's departure and its acknowledgement.
  double latency_s() const { return latency_s_; }

  Departure depart(std::uint64_t in_flight_bytes, Clock::time_point now) const {
    const bool alone = in_flight_bytes == 0;
    return {now, alone ? now : delivered_at_, delivered_bytes_, alone};
  }
  void delivered(const Departure& departure, std::uint64_t bytes, Clock::time_point now) {
    delivered_bytes_ += bytes;
    delivered_at_ = now;
    if (bytes < kMeasuredFromBytes) return;
    note_latency(std::chrono::duration<double>(now - departure.at).count());
    const double seconds = std::chrono::duration<double>(now - departure.delivered_at).count();
    if (seconds <= 0) return;
    const double sample =
        static_cast<double>(delivered_bytes_ - departure.delivered_bytes) / seconds;
    note_rate(sample, departure.alone);
  }

 private:
  /// A frame that was alone has waited for the whole way there and back: it proves a rate, but no
  /// limit.
  void note_rate(double sample, bool alone) {
    if (!measured_)
      bytes_per_s_ = sample;
    else if (!alone || sample > bytes_per_s_)
      bytes_per_s_ += (sample - bytes_per_s_) / 4;
    measured_ = true;
  }
  /// Falls at once, and rises slowly: ways get longer more seldom than queues do.
  void note_latency(double seconds) {
    latency_s_ = seconds < latency_s_ ? seconds : latency_s_ + (seconds - latency_s_) / 256;
  }

  double bytes_per_s_ = kAssumedBytesPerS;
  double latency_s_;
  bool measured_ = false;
  std::uint64_t delivered_bytes_ = 0;
  Clock::time_point delivered_at_{};
};

}  // namespace sluice::transport::tcp
