// How quick a rail is, measured by what the owner acknowledges.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

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
  /// The shortest time between a frame's departure and its acknowledgement in the last seconds.
  double latency_s() const { return std::min(latency_s_, latency_before_s_); }

  Departure depart(std::uint64_t in_flight_bytes, Clock::time_point now) {
    const bool alone = in_flight_bytes == 0;
    if (alone) delivered_at_ = now;  // what was before says nothing of the way's rate
    return {now, delivered_at_, delivered_bytes_, alone};
  }
  void delivered(const Departure& departure, std::uint64_t bytes, Clock::time_point now) {
    delivered_bytes_ += bytes;
    delivered_at_ = now;
    if (bytes < kMeasuredFromBytes) return;
    note_latency(std::chrono::duration<double>(now - departure.at).count(), now);
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
  /// Of two periods, so that the least falls at once and rises when the way has become longer.
  void note_latency(double seconds, Clock::time_point now) {
    if (now - period_begun_ > kPeriod) {
      latency_before_s_ = std::exchange(latency_s_, seconds);
      period_begun_ = now;
    }
    latency_s_ = std::min(latency_s_, seconds);
  }

  static constexpr std::chrono::seconds kPeriod{5};

  double bytes_per_s_ = kAssumedBytesPerS;
  double latency_s_;
  double latency_before_s_ = latency_s_;
  Clock::time_point period_begun_{};
  bool measured_ = false;
  std::uint64_t delivered_bytes_ = 0;
  Clock::time_point delivered_at_{};
};

}  // namespace sluice::transport::tcp
