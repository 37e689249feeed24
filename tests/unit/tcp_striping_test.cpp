// What decides about rails, without a socket: order of arrival, what is kept, measured rates, the
// choice of a rail.
#include "transports/tcp/striping.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "transports/tcp/arrival_order.hpp"
#include "transports/tcp/rail_rate.hpp"
#include "transports/tcp/unacknowledged.hpp"

namespace sluice::transport::tcp {
namespace {

using Clock = RailRate::Clock;

TEST(TcpArrivalOrder, knows_what_has_come_in_any_order) {
  std::mt19937 random(3);
  ArrivalOrder order;
  std::set<std::uint64_t> come;
  std::uint64_t through = 0;
  for (int i = 0; i < 200'000; ++i) {
    // Now and then far ahead, mostly near.
    const std::uint64_t sequence =
        through + 1 + random() % (random() % 50 == 0 ? kSequenceWindow : 30);
    ASSERT_TRUE(order.fits(sequence));
    ASSERT_EQ(order.has(sequence), come.count(sequence) == 1);
    order.arrive(sequence);
    order.arrive(sequence);
    come.insert(sequence);
    while (come.count(through + 1) == 1) come.erase(++through);
    ASSERT_EQ(order.through(), through);
    ASSERT_TRUE(order.has(through) && !order.has(through + 1));
  }
  EXPECT_GT(through, 10 * kSequenceWindow) << "its memory has been used again many times";
}

TEST(TcpArrivalOrder, what_is_beyond_its_window_does_not_fit) {
  ArrivalOrder order;
  order.arrive(1);
  EXPECT_TRUE(order.fits(1 + kSequenceWindow));
  EXPECT_FALSE(order.fits(2 + kSequenceWindow));
  EXPECT_FALSE(order.has(2 + kSequenceWindow));
  EXPECT_FALSE(order.fits(~0ull));
  EXPECT_TRUE(order.has(0)) << "frames are numbered from 1";
  order.arrive(1 + kSequenceWindow);
  EXPECT_FALSE(order.has(2));
}

FrameHeader put_of(std::uint64_t sequence, std::uint64_t bytes) {
  return {FrameType::kPut, sequence, 1, 0, bytes};
}

TEST(TcpUnacknowledged, keeps_copies_until_they_are_released) {
  Unacknowledged kept;
  std::vector<std::byte> bytes(100, std::byte{1});
  kept.add(put_of(1, 100), bytes);
  kept.add({FrameType::kSignal, 2, 1, 0, 9}, {});
  std::fill(bytes.begin(), bytes.end(), std::byte{2});
  EXPECT_EQ(kept.queued_bytes(), 100u);
  const auto& first = kept.take();
  EXPECT_EQ(first.header.sequence, 1u);
  EXPECT_EQ(first.span()[99], std::byte{1});
  EXPECT_EQ(kept.queued_bytes(), 0u);
  EXPECT_EQ(kept.next()->header.sequence, 2u);
  kept.take();
  EXPECT_EQ(kept.next(), nullptr);
  kept.release(2);
  kept.release(1);
  EXPECT_TRUE(kept.empty());
}

TEST(TcpUnacknowledged, what_is_given_back_goes_first_and_in_order) {
  Unacknowledged kept;
  const std::vector<std::byte> bytes(10);
  for (std::uint64_t i = 1; i <= 6; ++i) kept.add(put_of(i, 10), bytes);
  for (int i = 0; i < 4; ++i) kept.take();
  kept.give_back(4);
  kept.give_back(1);
  kept.give_back(2);
  std::vector<std::uint64_t> order;
  while (kept.next() != nullptr) order.push_back(kept.take().header.sequence);
  EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 2, 4, 5, 6}));
}

TEST(TcpUnacknowledged, is_bounded_in_bytes_in_numbers_and_in_its_queue) {
  const std::vector<std::byte> bytes(kStripeBytes);
  Unacknowledged kept;
  std::uint64_t sequence = 0;
  for (; kept.has_room(sequence + 1, kStripeBytes); ++sequence)
    kept.add(put_of(sequence + 1, kStripeBytes), bytes);
  EXPECT_EQ(sequence, Unacknowledged::kMaxQueuedBytes / kStripeBytes);
  for (;; ++sequence) {
    if (kept.next() != nullptr) kept.take();
    if (!kept.has_room(sequence + 1, kStripeBytes)) break;
    kept.add(put_of(sequence + 1, kStripeBytes), bytes);
  }
  EXPECT_EQ(sequence, Unacknowledged::kMaxBytes / kStripeBytes);
  EXPECT_TRUE(kept.has_room(sequence + 1, 0)) << "a signal has no bytes";
  Unacknowledged signals;
  for (sequence = 0; signals.has_room(sequence + 1, 0); ++sequence)
    signals.add({FrameType::kSignal, sequence + 1, 1, 0, 1}, {});
  EXPECT_EQ(sequence, kSequenceWindow) << "the owner takes no more";
}

RailLoad rail(double bytes_per_s, std::uint64_t in_flight_bytes = 0, bool has_room = true) {
  return {has_room, bytes_per_s, 100e-6, in_flight_bytes};
}

TEST(TcpStriping, small_frames_take_the_quickest_rail) {
  RailLoad near = rail(10e6), far = rail(100e6);
  near.latency_s = 20e-6;
  far.latency_s = 300e-6;
  EXPECT_EQ(choose_rail(std::vector{far, near}, 8, 8), 1u);
  near.in_flight_bytes = 100'000;  // 10 ms
  EXPECT_EQ(choose_rail(std::vector{far, near}, 8, 8), 0u);
}

TEST(TcpStriping, a_slow_rail_takes_only_what_it_finishes_before_the_others) {
  const std::vector rails{rail(120e6, 1 << 20), rail(12e6)};
  // 64 KiB take it 5.5 ms. The other one is done with a megabyte after 9 ms, with two after 17 ms.
  EXPECT_EQ(choose_rail(rails, kStripeBytes, 64 << 20), 1u);
  EXPECT_EQ(choose_rail(rails, kStripeBytes, kStripeBytes), 1u);
  const std::vector idle{rail(120e6, kStripeBytes, false), rail(12e6)};
  EXPECT_EQ(choose_rail(idle, kStripeBytes, kStripeBytes), std::nullopt) << "it would be late";
}

TEST(TcpStriping, nothing_goes_to_a_rail_without_room_or_with_enough_on_its_way) {
  EXPECT_EQ(choose_rail({}, 8, 8), std::nullopt);
  EXPECT_EQ(choose_rail(std::vector{rail(1e9, 0, false)}, 8, 8), std::nullopt);
  const RailLoad full = rail(12e6, most_in_flight(rail(12e6)));
  EXPECT_EQ(choose_rail(std::vector{full}, kStripeBytes, 1 << 20), std::nullopt);
  EXPECT_EQ(choose_rail(std::vector{full}, 8, 1 << 20), 0u) << "what is small need not wait";
  EXPECT_EQ(choose_rail(std::vector{rail(1)}, kStripeBytes, kStripeBytes), 0u)
      << "however slow it is, if there is no other";
}

/// A transfer over rails of given rates, simulated: how long it takes.
class Transfer {
 public:
  explicit Transfer(std::vector<double> bytes_per_s) {
    for (const double rate : bytes_per_s) rails_.push_back({rate});
  }
  double seconds(std::uint64_t bytes) {
    const Clock::time_point begun = now_;
    for (std::uint64_t left = bytes; left > 0 || in_flight();) {
      while (left > 0) {
        const std::uint64_t frame = std::min(left, kStripeBytes);
        const auto chosen = choose(frame, left);
        if (!chosen) break;
        send(rails_[*chosen], frame);
        left -= frame;
      }
      acknowledge_next();
    }
    return std::chrono::duration<double>(now_ - begun).count();
  }
  void set_rate(std::size_t rail, double bytes_per_s) { rails_[rail].bytes_per_s = bytes_per_s; }

 private:
  struct Frame {
    std::uint64_t bytes;
    Clock::time_point back;
    RailRate::Departure departure;
  };
  struct Rail {
    double bytes_per_s;
    RailRate rate{std::chrono::microseconds(100)};
    std::deque<Frame> frames{};
    std::uint64_t in_flight_bytes = 0;
    Clock::time_point free_at{};
  };
  static constexpr std::chrono::microseconds kWayThereAndBack{200};

  bool in_flight() const {
    return std::any_of(rails_.begin(), rails_.end(), [](auto& one) { return !one.frames.empty(); });
  }
  std::optional<std::size_t> choose(std::uint64_t frame, std::uint64_t left) const {
    std::vector<RailLoad> loads;
    for (const Rail& one : rails_)
      loads.push_back({true, one.rate.bytes_per_s(), one.rate.latency_s(), one.in_flight_bytes});
    return choose_rail(loads, frame, left);
  }
  void send(Rail& one, std::uint64_t bytes) {
    const auto departure = one.rate.depart(one.in_flight_bytes, now_);
    const std::chrono::duration<double> time(static_cast<double>(bytes) / one.bytes_per_s);
    one.free_at = std::max(one.free_at, now_) + std::chrono::duration_cast<Clock::duration>(time);
    one.frames.push_back({bytes, one.free_at + kWayThereAndBack, departure});
    one.in_flight_bytes += bytes;
  }
  void acknowledge_next() {
    Rail* next = nullptr;
    for (Rail& one : rails_)
      if (!one.frames.empty() && (!next || one.frames[0].back < next->frames[0].back)) next = &one;
    if (next == nullptr) return;
    const Frame frame = next->frames.front();
    next->frames.pop_front();
    now_ = std::max(now_, frame.back);
    next->in_flight_bytes -= frame.bytes;
    next->rate.delivered(frame.departure, frame.bytes, now_);
  }

  std::vector<Rail> rails_;
  Clock::time_point now_{std::chrono::seconds(1)};
};

TEST(TcpStriping, uneven_rails_reach_95_percent_of_their_sum) {
  for (const std::vector<double>& rates : std::vector<std::vector<double>>{{119e6, 12e6},
                                                                           {12e6, 119e6},
                                                                           {119e6, 119e6},
                                                                           {1190e6, 119e6},
                                                                           {119e6, 48e6, 12e6, 5e6},
                                                                           {12e6}}) {
    Transfer transfer(rates);
    const double sum = std::accumulate(rates.begin(), rates.end(), 0.0);
    transfer.seconds(16 << 20);  // to know the rates
    for (const std::uint64_t bytes : {64 << 20, 256 << 20}) {
      const double seconds = transfer.seconds(bytes);
      EXPECT_GE(static_cast<double>(bytes) / seconds, 0.95 * sum) << rates.size() << " rails";
    }
  }
}

TEST(TcpStriping, a_slow_rail_beside_a_quick_one_never_makes_it_slower) {
  for (const std::uint64_t bytes : {1 << 16, 1 << 18, 1 << 20, 1 << 22}) {
    Transfer both({119e6, 1.2e6}), alone({119e6});
    for (int i = 0; i < 20; ++i) {
      const double with = both.seconds(bytes), without = alone.seconds(bytes);
      // The first few are to know the rates.
      EXPECT_TRUE(i < 3 || with <= 1.05 * without) << bytes << ": " << with << ", " << without;
    }
  }
}

TEST(TcpStriping, rates_are_measured_again_when_they_change) {
  Transfer transfer({119e6, 119e6});
  transfer.seconds(64 << 20);
  transfer.set_rate(0, 12e6);
  transfer.seconds(64 << 20);
  EXPECT_GE((64 << 20) / transfer.seconds(64 << 20), 0.95 * 131e6);
  transfer.set_rate(0, 119e6);
  transfer.seconds(64 << 20);
  EXPECT_GE((64 << 20) / transfer.seconds(64 << 20), 0.95 * 238e6);
}

TEST(TcpRailRate, small_frames_and_those_alone_do_not_lower_it) {
  RailRate rate(std::chrono::microseconds(100));
  EXPECT_EQ(rate.bytes_per_s(), RailRate::kAssumedBytesPerS);
  Clock::time_point now{std::chrono::seconds(1)};
  const auto deliver = [&](std::uint64_t bytes, std::uint64_t in_flight, double seconds) {
    const auto departure = rate.depart(in_flight, now);
    now += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    rate.delivered(departure, bytes, now);
  };
  deliver(8, 0, 0.1);
  EXPECT_FALSE(rate.measured());
  deliver(64 << 10, 0, 0.001);
  EXPECT_NEAR(rate.bytes_per_s(), 65.5e6, 1e6);
  deliver(64 << 10, 0, 0.1);
  EXPECT_NEAR(rate.bytes_per_s(), 65.5e6, 1e6) << "it was alone";
  for (int i = 0; i < 40; ++i) deliver(64 << 10, 1, 0.01);
  EXPECT_NEAR(rate.bytes_per_s(), 6.55e6, 1e5) << "the way was busy";
}

}  // namespace
}  // namespace sluice::transport::tcp
