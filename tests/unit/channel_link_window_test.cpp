// What is under way on a link across a port: never two fragments in one room, as few rooms as will
// do, and never more bytes than the window has.
#include "channel/link_window.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>

#include "channel/segment.hpp"

namespace sluice {
namespace {

TEST(LinkWindow, a_link_with_little_under_way_keeps_to_few_rooms) {
  LinkWindow window;
  for (std::uint64_t number = 0; number < 1000; ++number) {
    const std::uint64_t consumed = number < 3 ? 0 : number - 3;
    EXPECT_LT(window.take(number, 1, consumed), 4);
  }
}

TEST(LinkWindow, every_fragment_under_way_has_a_room_of_its_own) {
  std::mt19937 random(7);
  for (const std::uint64_t slots : {kHostLinks.slots, std::uint64_t{16}, LinkWindow::kMost}) {
    LinkWindow window;
    std::map<std::uint64_t, std::uint64_t> under_way;  // room by fragment
    std::uint64_t consumed = 0;
    for (std::uint64_t number = 0; number < 10'000; ++number) {
      const std::uint64_t least = number < slots ? 0 : number + 1 - slots;
      consumed = std::max(consumed, least);
      consumed += random() % (number - consumed + 1);
      under_way.erase(under_way.begin(), under_way.lower_bound(consumed));
      const std::uint64_t room = window.take(number, 1, consumed);
      EXPECT_LT(room, slots);
      for (const auto& [other, taken] : under_way)
        ASSERT_NE(room, taken) << "of fragments " << number << " and " << other;
      under_way[number] = room;
    }
  }
}

TEST(LinkWindow, a_receiver_that_claims_more_than_was_sent_is_not_believed) {
  LinkWindow window;
  EXPECT_EQ(window.take(0, 1, ~std::uint64_t{0}), 0);
  EXPECT_EQ(window.take(1, 1, 0), 1);
  EXPECT_EQ(window.take(2, 1, ~std::uint64_t{0}), 0);
}

TEST(LinkWindow, small_fragments_are_limited_by_slots_and_large_ones_by_bytes) {
  const std::uint64_t slots = 64, window_bytes = 4096;
  LinkWindow small, large;
  std::uint64_t number = 0;
  while (small.credit_for(number, 8, slots, window_bytes) == 0) small.take(number++, 8, 0);
  EXPECT_EQ(number, slots);
  EXPECT_EQ(small.credit_for(number, 8, slots, window_bytes), 1);
  EXPECT_EQ(small.credit_for(number, 4096, slots, window_bytes), 64) << "nothing beside it";

  number = 0;
  while (large.credit_for(number, 1024, slots, window_bytes) == 0) large.take(number++, 1024, 0);
  EXPECT_EQ(number, 4);
  EXPECT_EQ(large.credit_for(number, 1025, slots, window_bytes), 2);
  large.take(number++, 1024, 3);
  EXPECT_EQ(large.credit_for(number, 1024, slots, window_bytes), 3) << "of what is known already";
}

TEST(LinkWindow, under_way_is_never_more_than_the_window) {
  std::mt19937 random(11);
  const std::uint64_t slots = 16, window_bytes = 1000;
  LinkWindow window;
  std::uint64_t consumed = 0;
  std::map<std::uint64_t, std::uint64_t> under_way;  // bytes by fragment
  for (std::uint64_t number = 0; number < 10'000; ++number) {
    const std::uint64_t bytes = random() % 4 == 0 ? random() % 600 : random() % 10;
    const std::uint64_t credited = window.credit_for(number, bytes, slots, window_bytes);
    ASSERT_LE(credited, number);
    consumed = std::max(consumed, credited);
    consumed += random() % (number - consumed + 1);
    window.take(number, bytes, consumed);
    under_way[number] = bytes;
    under_way.erase(under_way.begin(), under_way.lower_bound(consumed));
    std::uint64_t sum = 0;
    for (const auto& [other, length] : under_way) sum += length;
    ASSERT_LE(under_way.size(), slots);
    ASSERT_LE(sum, window_bytes);
  }
}

TEST(LinkWindow, links_have_no_more_slots_than_rooms_can_be_told_apart) {
  EXPECT_LE(kHostLinks.slots, LinkWindow::kMost);
  for (std::uint64_t ranks = 2; ranks <= 4096; ranks *= 2)
    EXPECT_LE(links_across_hosts(ranks).slots, LinkWindow::kMost);
}

}  // namespace
}  // namespace sluice
