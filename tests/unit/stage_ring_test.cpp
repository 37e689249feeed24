// A stage's ring: slots that may still be read are never given out again.
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "channel/stage_ring.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST(StageRing, operations_go_on_where_the_last_one_stopped) {
  StageRing ring;
  ring.open(1, 3, 1024);
  EXPECT_EQ(ring.offset(0), 0U);
  EXPECT_EQ(ring.offset(2), 2048U);
  ring.open(2, 1, 64);
  EXPECT_EQ(ring.offset(0), 3072U);
}

TEST(StageRing, a_slot_does_not_straddle_the_end) {
  StageRing ring;
  ring.open(1, 1, kStageBytes - 64);
  ring.open(2, 2, 128);
  EXPECT_EQ(ring.offset(0), 0U);
  EXPECT_EQ(ring.offset(1), 128U);
}

TEST(StageRing, the_first_time_round_nothing_is_in_the_way) {
  StageRing ring;
  ring.open(7, 4, kStageBytes / 4);
  for (std::uint64_t slot = 0; slot < 4; ++slot) {
    EXPECT_EQ(ring.obstacle(slot).epoch, 0U) << slot;
    EXPECT_EQ(ring.obstacle(slot).slots, 0U) << slot;
  }
}

TEST(StageRing, short_operations_wait_only_for_those_long_past) {
  StageRing ring;
  for (std::uint64_t epoch = 1; epoch <= 64; ++epoch) {
    ring.open(epoch, 1, kMiB / 2);
    EXPECT_LE(ring.obstacle(0).epoch + 1, epoch == 1 ? 1 : epoch - 1) << epoch;
  }
}

TEST(StageRing, a_long_operation_waits_for_its_own_slots) {
  StageRing ring;
  ring.open(1, 100, kMiB / 4);
  EXPECT_EQ(ring.obstacle(7).slots, 0U);
  for (std::uint64_t slot = 8; slot < 100; ++slot)
    EXPECT_EQ(ring.obstacle(slot).slots, slot - 7) << slot;
}

TEST(StageRing, epochs_that_were_carried_count) {
  StageRing ring;
  ring.open(1, 20, kMiB / 4);
  ring.carry(3);
  EXPECT_EQ(ring.epoch(), 4U);
  ring.open(5, 1, kMiB);
  EXPECT_EQ(ring.obstacle(0).epoch, 4U);
}

/// A slot that was given out: what a slow reader may still read until it is known to be done.
struct Given {
  std::uint64_t epoch, slot, begin, end;
};

TEST(StageRing, nothing_is_given_out_that_may_still_be_read) {
  std::mt19937_64 random(20261121);
  const auto between = [&](std::uint64_t low, std::uint64_t high) {
    return std::uniform_int_distribution<std::uint64_t>(low, high)(random);
  };
  StageRing ring;
  std::deque<Given> given;
  std::uint64_t epoch = 0;
  for (int operation = 0; operation < 3000; ++operation) {
    epoch += between(1, 3);
    const std::uint64_t slot_bytes = 64 * between(1, between(0, 3) == 0 ? kStageBytes / 64 : 2048);
    const std::uint64_t slots = between(0, 3) == 0 ? between(1, 100) : between(1, 3);
    ring.open(epoch, slots, slot_bytes);
    for (std::uint64_t slot = 0; slot < slots; ++slot) {
      const StageRing::Obstacle done = ring.obstacle(slot);
      const std::uint64_t begin = ring.offset(slot), end = begin + slot_bytes;
      ASSERT_LE(end, kStageBytes);
      ASSERT_LT(done.epoch, epoch);
      ASSERT_LE(done.slots, slot);
      for (const Given& old : given) {
        const bool finished =
            old.epoch <= done.epoch || (old.epoch == epoch && old.slot < done.slots);
        ASSERT_TRUE(finished || old.end <= begin || end <= old.begin)
            << "operation " << epoch << " slot " << slot << " of " << slot_bytes
            << " bytes lies on operation " << old.epoch << " slot " << old.slot;
      }
      given.push_back({epoch, slot, begin, end});
      if (given.size() > 400) given.pop_front();
    }
    if (between(0, 9) == 0) {
      const std::uint64_t more = between(1, 4);
      for (Given& old : given)
        if (old.epoch == epoch) old.epoch += more;
      ring.carry(more);
      epoch += more;
    }
  }
}

/// A rank that runs ahead must not wait for what its peers do only after they have met it.
TEST(StageRing, a_pipeline_of_six_slots_does_not_wait_for_itself) {
  StageRing ring;
  ring.open(1, 1, 4096);
  ring.open(2, 50, kStageBytes / 6 / 64 * 64);
  for (std::uint64_t slot = 3; slot < 50; ++slot)
    EXPECT_LE(ring.obstacle(slot).slots, slot - 2) << slot;  // the third stage is at slot - 3
}

}  // namespace
}  // namespace sluice
