// What an owner makes of an opener with several connections: joining, order, frames that come
// twice, acknowledgements. Knows no socket.
#include "transports/tcp/arrivals.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "base/port.hpp"
#include "transports/tcp/applier.hpp"

namespace sluice::transport::tcp {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kOwner = 77;
constexpr std::uint64_t kOpener = 4711;
constexpr std::uint64_t kBytes = 1 << 20;

/// One rail of an opener.
struct RailEnd {
  RailEnd(const Regions& regions, Openers& openers) : applier(regions, kOwner, openers) {}

  bool feed(const FrameHeader& header, std::span<const std::byte> payload = {}) {
    const HeaderBytes bytes = encode(header);
    return reader.feed(bytes) && (payload.empty() || reader.feed(payload));
  }
  /// Returns the complaint.
  std::string join(std::uint64_t rail, std::uint64_t token) {
    if (!feed({FrameType::kJoin, token, kOpener, kOwner, rail})) return reader.complaint();
    return applier.join(joined, [this] { hung_up = true; });
  }
  bool put(std::uint64_t sequence, std::uint64_t offset, const Bytes& payload) {
    return feed({FrameType::kPut, sequence, 1, offset, payload.size()}, payload);
  }
  bool signal(std::uint64_t sequence, std::uint64_t n) {
    return feed({FrameType::kSignal, sequence, 1, 0, n});
  }

  Applier applier;
  FrameReader reader{applier};
  FrameHeader joined;
  bool hung_up = false;
};

class TcpArrivals : public testing::Test {
 protected:
  TcpArrivals() : memory_(kBytes / 8) {
    regions_.publish({reinterpret_cast<std::byte*>(memory_.data()), kBytes});
  }
  std::unique_ptr<RailEnd> end() { return std::make_unique<RailEnd>(regions_, openers_); }
  /// The first, and so many further rails.
  std::vector<std::unique_ptr<RailEnd>> joined(std::size_t count) {
    std::vector<std::unique_ptr<RailEnd>> rails;
    for (std::size_t i = 0; i < count; ++i) {
      rails.push_back(end());
      EXPECT_EQ(rails[i]->join(i, i == 0 ? 0 : rails[0]->joined.sequence), "");
    }
    return rails;
  }
  std::uint64_t counter() { return port::load_acquire(&memory_[0]); }
  std::byte at(std::uint64_t offset) {
    return reinterpret_cast<const std::byte*>(memory_.data())[offset];
  }

  std::vector<std::uint64_t> memory_;
  Regions regions_;
  Openers openers_;
};

TEST_F(TcpArrivals, only_who_knows_its_token_joins_an_opener) {
  const auto rails = joined(2);
  const std::uint64_t token = rails[0]->joined.sequence;
  EXPECT_NE(token, 0u);
  EXPECT_EQ(rails[1]->joined.sequence, token);
  EXPECT_EQ(rails[1]->joined.type, FrameType::kJoined);
  EXPECT_EQ(rails[1]->joined.amount, 1u);
  EXPECT_NE(end()->join(2, token + 1), "");
  EXPECT_NE(end()->join(2, 0), "") << "it is founded already";
  EXPECT_NE(end()->join(kMaxRails, token), "") << "too many";
  EXPECT_NE(end()->join(~0ull, token), "");
  EXPECT_EQ(end()->join(kMaxRails - 1, token), "");
}

TEST_F(TcpArrivals, a_join_comes_first_and_is_answered_before_anything_else) {
  auto rails = joined(1);
  EXPECT_FALSE(rails[0]->feed({FrameType::kJoin, 0, kOpener, kOwner, 0})) << "again";
  const auto opened = end();
  ASSERT_TRUE(opened->feed({FrameType::kOpen, 1, 1, kOwner, kBytes}));
  opened->applier.answered();
  EXPECT_FALSE(opened->feed({FrameType::kJoin, 0, 1, kOwner, 0}));
  for (const FrameType type : {FrameType::kPut, FrameType::kSignal, FrameType::kGet,
                               FrameType::kOpen, FrameType::kBye, FrameType::kJoin}) {
    const auto impatient = end();
    ASSERT_TRUE(impatient->feed({FrameType::kJoin, 0, 1, kOwner, 0}));
    EXPECT_FALSE(impatient->feed({type, 1, 1, 0, 8})) << name(type);
  }
  EXPECT_FALSE(end()->feed({FrameType::kJoin, 0, 1, kOwner + 1, 0})) << "another transport";
  EXPECT_FALSE(end()->feed({FrameType::kPing, 1, 0, 0, 0})) << "only over rails";
}

TEST_F(TcpArrivals, an_opener_whose_rails_are_gone_is_not_known_any_more) {
  auto rails = joined(2);
  const std::uint64_t token = rails[0]->joined.sequence;
  rails.clear();
  EXPECT_NE(end()->join(0, token), "");
  EXPECT_EQ(end()->join(0, 0), "") << "and may be founded again";
}

TEST_F(TcpArrivals, puts_are_written_as_they_come_and_signals_wait) {
  const auto rails = joined(2);
  ASSERT_TRUE(rails[1]->put(3, 64, Bytes(8, std::byte{3})));
  ASSERT_TRUE(rails[1]->signal(4, 10));
  EXPECT_EQ(at(64), std::byte{3});
  EXPECT_EQ(counter(), 0u);
  ASSERT_TRUE(rails[0]->signal(2, 5));
  EXPECT_EQ(counter(), 0u);
  ASSERT_TRUE(rails[0]->put(1, 128, Bytes(8, std::byte{1})));
  EXPECT_EQ(at(128), std::byte{1});
  EXPECT_EQ(counter(), 15u);
  ASSERT_TRUE(rails[1]->signal(5, 1));
  EXPECT_EQ(counter(), 16u);
}

TEST_F(TcpArrivals, what_has_been_seen_is_taken_and_not_written) {
  const auto rails = joined(2);
  ASSERT_TRUE(rails[0]->put(1, 64, Bytes(8, std::byte{1})));
  ASSERT_TRUE(rails[0]->signal(2, 1));
  ASSERT_TRUE(rails[0]->put(4, 64, Bytes(8, std::byte{4})));
  ASSERT_TRUE(rails[0]->signal(5, 1));
  EXPECT_EQ(counter(), 1u);
  for (const std::uint64_t sequence : {1, 4}) {
    ASSERT_TRUE(rails[1]->put(sequence, 64, Bytes(8, std::byte{9})));
    EXPECT_EQ(at(64), std::byte{4});
  }
  ASSERT_TRUE(rails[1]->signal(2, 1) && rails[1]->signal(5, 1));
  EXPECT_EQ(counter(), 1u);
  ASSERT_TRUE(rails[1]->put(3, 72, Bytes(8, std::byte{3})));
  EXPECT_EQ(counter(), 2u) << "each once";
  EXPECT_EQ(rails[1]->applier.seat()->acknowledge().amount, 5u) << "all count as received";
}

TEST_F(TcpArrivals, the_rest_of_a_frame_that_was_sent_again_is_not_written) {
  const auto rails = joined(2);
  const HeaderBytes header = encode({FrameType::kPut, 1, 1, 64, 8});
  ASSERT_TRUE(rails[0]->reader.feed(header));
  ASSERT_TRUE(rails[0]->reader.feed(Bytes(4, std::byte{1})));
  ASSERT_TRUE(rails[1]->put(1, 64, Bytes(8, std::byte{2})));
  EXPECT_TRUE(rails[0]->hung_up && rails[0]->applier.seat()->cut());
  EXPECT_FALSE(rails[1]->hung_up);
  EXPECT_EQ(rails[1]->applier.seat()->others(), 0u);
  EXPECT_EQ(at(71), std::byte{2});
}

TEST_F(TcpArrivals, a_rail_that_comes_back_takes_the_place_of_the_old_one) {
  const auto rails = joined(2);
  const auto again = end();
  ASSERT_EQ(again->join(1, rails[0]->joined.sequence), "");
  EXPECT_TRUE(rails[1]->hung_up && rails[1]->applier.seat()->cut());
  EXPECT_EQ(again->applier.seat()->others(), 1u);
  ASSERT_TRUE(again->put(1, 64, Bytes(8, std::byte{1})));
  EXPECT_EQ(again->applier.seat()->acknowledge().amount, 1u) << "counted from its own beginning";
}

TEST_F(TcpArrivals, numbers_too_far_ahead_are_malformed) {
  const auto rails = joined(2);
  EXPECT_TRUE(rails[0]->signal(kSequenceWindow, 1));
  EXPECT_FALSE(rails[0]->signal(kSequenceWindow + 1, 1));
  EXPECT_FALSE(rails[1]->put(~0ull, 64, Bytes(8)));
  EXPECT_EQ(counter(), 0u);
}

TEST_F(TcpArrivals, ranges_are_checked_for_what_was_seen_too) {
  const auto rails = joined(1);
  ASSERT_TRUE(rails[0]->put(1, 64, Bytes(8)));
  EXPECT_FALSE(rails[0]->put(1, kBytes - 4, Bytes(8)));
}

TEST_F(TcpArrivals, acknowledgements_come_for_much_for_many_and_when_asked) {
  const auto rails = joined(1);
  Seat& seat = *rails[0]->applier.seat();
  std::uint64_t sequence = 0;
  EXPECT_FALSE(seat.acknowledgement_is_due());
  ASSERT_TRUE(rails[0]->put(++sequence, 64, Bytes(64 << 10)));
  EXPECT_TRUE(seat.acknowledgement_is_due());
  EXPECT_EQ(seat.acknowledge().amount, 1u);
  EXPECT_FALSE(seat.acknowledgement_is_due());
  while (!seat.acknowledgement_is_due()) ASSERT_TRUE(rails[0]->signal(++sequence, 1));
  EXPECT_EQ(sequence, 65u);
  EXPECT_EQ(seat.acknowledge().amount, sequence);
  ASSERT_TRUE(rails[0]->signal(++sequence, 1));
  EXPECT_FALSE(seat.acknowledgement_is_due());
  ASSERT_TRUE(rails[0]->feed({FrameType::kPing, 0, 0, 0, 0}));
  EXPECT_TRUE(seat.acknowledgement_is_due());
}

TEST_F(TcpArrivals, any_order_over_any_rails_with_repetitions_ends_the_same) {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    std::fill(memory_.begin(), memory_.end(), 0);
    openers_ = Openers();
    const auto rails = joined(4);
    constexpr std::uint64_t kFrames = 400;
    std::vector<std::uint64_t> order;
    for (std::uint64_t i = 1; i <= kFrames; ++i) order.insert(order.end(), 1 + random() % 2, i);
    std::shuffle(order.begin(), order.end(), random);
    for (const std::uint64_t i : order) {
      RailEnd& rail = *rails[random() % 4];
      // Every fourth is a signal that says how many puts are before it.
      ASSERT_TRUE(i % 4 == 0 ? rail.signal(i, 3)
                             : rail.put(i, 64 + 8 * i, Bytes(8, static_cast<std::byte>(i))));
      const std::uint64_t puts = counter();
      for (std::uint64_t j = 1; j < puts / 3 * 4; ++j)
        ASSERT_TRUE(j % 4 == 0 || at(64 + 8 * j) == static_cast<std::byte>(j)) << j;
    }
    EXPECT_EQ(counter(), kFrames / 4 * 3);
  }
}

}  // namespace
}  // namespace sluice::transport::tcp
