// Rooms for the data of a link across a port: never two fragments in one, and as few as will do.
#include "channel/link_rooms.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>

#include "channel/segment.hpp"

namespace sluice {
namespace {

TEST(LinkRooms, a_link_with_little_under_way_keeps_to_few_rooms) {
  LinkRooms rooms;
  for (std::uint64_t number = 0; number < 1000; ++number) {
    const std::uint64_t consumed = number < 3 ? 0 : number - 3;
    EXPECT_LT(rooms.take(number, consumed), 4);
  }
}

TEST(LinkRooms, every_fragment_under_way_has_a_room_of_its_own) {
  std::mt19937 random(7);
  for (const std::uint64_t slots : {kHostLinks.slots, std::uint64_t{16}, LinkRooms::kMost}) {
    LinkRooms rooms;
    std::map<std::uint64_t, std::uint64_t> under_way;  // room by fragment
    std::uint64_t consumed = 0;
    for (std::uint64_t number = 0; number < 10'000; ++number) {
      const std::uint64_t least = number < slots ? 0 : number + 1 - slots;
      consumed = std::max(consumed, least);
      consumed += random() % (number - consumed + 1);
      under_way.erase(under_way.begin(), under_way.lower_bound(consumed));
      const std::uint64_t room = rooms.take(number, consumed);
      EXPECT_LT(room, slots);
      for (const auto& [other, taken] : under_way)
        ASSERT_NE(room, taken) << "of fragments " << number << " and " << other;
      under_way[number] = room;
    }
  }
}

TEST(LinkRooms, a_receiver_that_claims_more_than_was_sent_is_not_believed) {
  LinkRooms rooms;
  EXPECT_EQ(rooms.take(0, ~std::uint64_t{0}), 0);
  EXPECT_EQ(rooms.take(1, 0), 1);
  EXPECT_EQ(rooms.take(2, ~std::uint64_t{0}), 0);
}

TEST(LinkRooms, links_have_no_more_slots_than_rooms_can_be_told_apart) {
  EXPECT_LE(kHostLinks.slots, LinkRooms::kMost);
  for (std::uint64_t ranks = 2; ranks <= 4096; ranks *= 2)
    EXPECT_LE(links_across_hosts(ranks).slots, LinkRooms::kMost);
}

}  // namespace
}  // namespace sluice
