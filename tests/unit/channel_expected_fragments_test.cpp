// Data of fragments that a rank expects: where it is put, and what is left where it says.
#include "channel/expected_fragments.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr std::uint64_t kSlotBytes = 256, kKind = 5;
constexpr std::int32_t kSource = 1;

/// A segment of rank 0, and what comes into it from rank 1.
class ExpectedFragmentsTest : public testing::Test {
 protected:
  const SegmentLayout layout_{2, LinkShape{.slots = 8, .slot_bytes = kSlotBytes}};
  std::vector<std::byte> segment_ = std::vector<std::byte>(layout_.bytes());
  ExpectedFragments expected_{segment_.data(), layout_, kSource};
  std::uint64_t come_ = 0;  // fragments

  LinkSlot& slot(std::uint64_t number) {
    return *reinterpret_cast<LinkSlot*>(segment_.data() +
                                        layout_.link_slot(kSource, number % layout_.links.slots));
  }
  std::byte* room(std::uint64_t room, std::int32_t source = kSource) {
    return segment_.data() + layout_.link_room(static_cast<std::uint64_t>(source), room);
  }
  /// The words of the next fragment come, and its data is about to: where it goes.
  std::byte* begin(std::byte* at, std::uint64_t bytes, std::uint64_t message_bytes,
                   std::uint64_t kind = kKind) {
    slot(come_).bytes = message_bytes;
    slot(come_).kind = kind;
    return expected_.place(at, bytes);
  }
  void end(const std::byte* went) {
    if (went < segment_.data() || went >= segment_.data() + segment_.size()) expected_.come();
    ++come_;
    port::store_release(&slot(come_ - 1).tag, come_);
  }
  /// As its receiver does once it sees the tag.
  const std::byte* taken(std::uint64_t number) {
    EXPECT_TRUE(expected_.settle(number));
    return expected_.placed(number);
  }
  /// A fragment comes: where it went.
  std::byte* fragment(std::uint64_t bytes, std::uint64_t message_bytes,
                      std::uint64_t kind = kKind) {
    std::byte* const place = begin(room(3), bytes, message_bytes, kind);
    end(place);
    return place;
  }
};

TEST_F(ExpectedFragmentsTest, each_fragment_of_a_message_goes_to_its_place) {
  std::byte output[3 * kSlotBytes];
  const std::uint64_t bytes = 2 * kSlotBytes + 9;
  expected_.expect(0, output, bytes, kKind);
  EXPECT_EQ(fragment(kSlotBytes, bytes), output);
  EXPECT_EQ(fragment(kSlotBytes, bytes), output + kSlotBytes);
  EXPECT_EQ(fragment(9, bytes), output + 2 * kSlotBytes);
  for (std::uint64_t number = 0; number < 3; ++number)
    EXPECT_EQ(taken(number), output + number * kSlotBytes);
  EXPECT_EQ(fragment(9, bytes), room(3)) << "nobody expects a fourth";
  EXPECT_EQ(taken(3), nullptr);
}

TEST_F(ExpectedFragmentsTest, what_came_before_it_was_expected_stays_in_its_room) {
  std::byte output[4][kSlotBytes];
  EXPECT_EQ(fragment(kSlotBytes, kSlotBytes), room(3));
  EXPECT_EQ(begin(room(4), kSlotBytes, kSlotBytes), room(4));
  for (auto& each : output) expected_.expect(0, each, kSlotBytes, kKind);
  end(room(4));  // its data has begun to come before
  EXPECT_EQ(fragment(kSlotBytes, kSlotBytes), output[2]);
  for (const std::uint64_t number : {0, 1, 3}) EXPECT_EQ(taken(number), nullptr);
  EXPECT_EQ(taken(2), output[2]);
}

TEST_F(ExpectedFragmentsTest, a_call_that_does_not_fit_writes_nothing_to_the_callers_buffer) {
  std::byte output[2 * kSlotBytes];
  expected_.expect(0, output, 100, kKind);
  EXPECT_EQ(begin(room(0), 100, 100, kKind + 1), room(0)) << "another call";
  EXPECT_EQ(begin(room(0), 100, 200), room(0)) << "another message";
  EXPECT_EQ(begin(room(0), 101, 100), room(0)) << "more than its message";
  EXPECT_EQ(begin(room(0), 99, 100), room(0)) << "less";
  EXPECT_EQ(begin(room(0), 100, 100), output);
}

TEST_F(ExpectedFragmentsTest, what_was_taken_is_written_nowhere_else_whatever_is_sent) {
  std::byte output[2][kSlotBytes];
  for (auto& each : output) expected_.expect(0, each, kSlotBytes, kKind);
  // The tag was raised, and taken for true, before the data came; and is taken back.
  EXPECT_TRUE(expected_.settle(0));
  EXPECT_EQ(expected_.placed(0), nullptr);
  EXPECT_EQ(begin(room(0), kSlotBytes, kSlotBytes), room(0));
  end(room(0));
  // Somebody else raises the tag while the data comes.
  EXPECT_EQ(begin(room(0), kSlotBytes, kSlotBytes), output[1]);
  EXPECT_FALSE(expected_.settle(1));
  end(output[1]);
  EXPECT_TRUE(expected_.settle(1));
  EXPECT_EQ(expected_.placed(1), output[1]);
  EXPECT_EQ(begin(room(0), kSlotBytes, kSlotBytes), room(0));
}

TEST_F(ExpectedFragmentsTest, only_rooms_of_the_link_are_replaced) {
  std::byte output[kSlotBytes];
  expected_.expect(0, output, kSlotBytes, kKind);
  for (std::byte* const place : {room(0) + 64, room(0) - 64, room(0, 0), room(layout_.links.slots),
                                 segment_.data(), reinterpret_cast<std::byte*>(&slot(0).bytes)})
    EXPECT_EQ(begin(place, kSlotBytes, kSlotBytes), place);
  EXPECT_EQ(begin(room(7), kSlotBytes, kSlotBytes), output);
}

TEST_F(ExpectedFragmentsTest, of_more_than_can_be_remembered_the_first_are) {
  std::vector<std::byte> output((ExpectedFragments::kMost + 2) * kSlotBytes);
  expected_.expect(0, output.data(), output.size(), kKind);
  for (std::uint64_t number = 0; number < ExpectedFragments::kMost + 2; ++number)
    EXPECT_EQ(fragment(kSlotBytes, output.size()),
              number < ExpectedFragments::kMost ? output.data() + number * kSlotBytes : room(3));
  // What was received meanwhile without being expected is passed over.
  for (int i = 0; i < 1000; ++i) fragment(8, 8);
  expected_.expect(come_, output.data(), 8, kKind);
  EXPECT_EQ(fragment(8, 8), output.data());
}

TEST_F(ExpectedFragmentsTest, two_threads_agree_where_everything_is) {
  constexpr std::uint64_t kFragments = 20'000;
  std::vector<std::byte> output(64 * kSlotBytes);
  std::uint64_t received =
      0;  // with release order by the receiver, which is who may be written over
  std::thread sender([&] {
    for (std::uint64_t number = 0; number < kFragments; ++number) {
      while (number >= port::load_acquire(&received) + layout_.links.slots)
        std::this_thread::yield();
      std::byte* const to = begin(room(number % layout_.links.slots), kSlotBytes, kSlotBytes);
      std::fill_n(to, kSlotBytes, static_cast<std::byte>(number));
      end(to);
    }
  });
  std::mt19937 random(7);
  std::uint64_t expected = 0, placed = 0;
  for (std::uint64_t number = 0; number < kFragments; ++number) {
    for (const std::uint64_t until = number + random() % 40; expected <= until; ++expected)
      expected_.expect(number, output.data() + expected % 64 * kSlotBytes, kSlotBytes, kKind);
    const std::uint64_t* const tag = &slot(number).tag;
    while (port::load_acquire(tag) <= number) std::this_thread::yield();
    const std::byte* const at = taken(number);
    EXPECT_TRUE(at == nullptr || at == output.data() + number % 64 * kSlotBytes);
    placed += at != nullptr;
    const std::byte* const data = at != nullptr ? at : room(number % layout_.links.slots);
    EXPECT_EQ(std::count(data, data + kSlotBytes, static_cast<std::byte>(number)), kSlotBytes);
    port::store_release(&received, number + 1);
  }
  sender.join();
  EXPECT_GT(placed, 0u);
}

}  // namespace
}  // namespace sluice
