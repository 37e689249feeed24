#include "communicator/calibrate_network.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "base/median.hpp"

namespace sluice {
namespace {

// Longer than what a shaped interface lets through at once, and than a connection's first window.
constexpr std::uint64_t kBurstBytes = 1024 * 1024;
constexpr int kBursts = 4;
constexpr int kPings = 64;
// The first ones find a connection that has just been opened.
constexpr int kWarmUp = 4;
// On a slow network fewer pings and bursts must do: after this no more are begun.
constexpr std::chrono::milliseconds kPatience{50};

using Clock = std::chrono::steady_clock;

// The counter of a rank, in its segment: that of a lane that the schedules only ever raise above
// what is left here (epochs are shifted), and not the one that the ranks of a host measure with.
constexpr std::uint64_t kWord =
    offsetof(SegmentHeader, lanes) + kResults * sizeof(Lane) + offsetof(Lane, value);

/// The far rank, seen from this one: each raises a counter of the other's.
class Far {
 public:
  Far(int other, Window segment, const SegmentLayout& layout, WaitState& waits,
      const RemoteSegments& segments)
      : other_(other), segment_(segment), layout_(layout), waits_(waits), segments_(segments) {}

  /// Raises its counter by `amount`, behind `bytes` put into its stage.
  void tell(std::uint64_t amount, std::uint64_t bytes = 0) {
    const SegmentPut put{layout_.stage(), segment_.base + layout_.stage(), bytes};
    const SegmentSignal signal{kWord, amount};
    segments_.write(segments_.context, other_, {&put, bytes != 0 ? 1u : 0u}, {&signal, 1});
  }
  /// Waits until it has raised ours; returns by how much.
  std::uint64_t hear() {
    const auto* word = reinterpret_cast<std::uint64_t*>(segment_.base + kWord);
    const std::uint64_t seen = wait_at_least(waits_, word, heard_ + 1, other_);
    const std::uint64_t amount = seen - heard_;
    heard_ = seen;
    return amount;
  }

 private:
  int other_;
  Window segment_;
  SegmentLayout layout_;
  WaitState& waits_;
  const RemoteSegments& segments_;
  std::uint64_t heard_ = 0;
};

constexpr std::uint64_t kGoOn = 1, kEnough = 2;

/// Nanoseconds until an answer to `bytes`: the median of at most `rounds`, once warm.
double measure_round_trip(Far& far, const WaitState& waits, int rounds, std::uint64_t bytes) {
  std::vector<double> times;
  const auto start = Clock::now();
  for (int round = 0; round < rounds && waits.failed == 0; ++round) {
    const auto began = Clock::now();
    far.tell(kGoOn, bytes);
    far.hear();
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - began).count());
    if (Clock::now() - start > kPatience) break;
  }
  far.tell(kEnough);
  far.hear();
  if (times.empty()) return 0;  // a wait had failed before
  if (times.size() > 2 * kWarmUp) times.erase(times.begin(), times.begin() + kWarmUp);
  return median_of(times);
}

/// The other end of measure_round_trip().
void answer(Far& far, const WaitState& waits) {
  for (std::uint64_t told = kGoOn; told != kEnough && waits.failed == 0;) {
    told = far.hear();
    far.tell(told);
  }
}

}  // namespace

void forget_measurement(Window segment) {
  port::store_release(reinterpret_cast<std::uint64_t*>(segment.base + kWord), 0);
}

NetworkFigures measure_network(bool first, int other, Window segment, const SegmentLayout& layout,
                               WaitState& waits, const RemoteSegments& segments) {
  Far far(other, segment, layout, waits, segments);
  if (!first) {
    answer(far, waits);
    answer(far, waits);
    return {};
  }
  const double ping = measure_round_trip(far, waits, kPings, 0);
  const double burst = measure_round_trip(far, waits, kBursts, kBurstBytes);
  return {.alpha = ping / 2,
          .byte = std::max(0.0, burst - ping) / static_cast<double>(kBurstBytes)};
}

}  // namespace sluice
