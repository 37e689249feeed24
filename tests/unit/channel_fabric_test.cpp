// A fabric's lanes: how far ranks may be apart, and what a very long operation does to its epoch.
#include "channel/fabric.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>

namespace sluice {
namespace {

constexpr std::int32_t kRanks = 2;
constexpr SegmentLayout kLayout{kRanks};

/// Memory that costs only what is touched.
class Segment {
 public:
  Segment()
      : data_(::mmap(nullptr, kLayout.bytes(), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) {}
  ~Segment() { ::munmap(data_, kLayout.bytes()); }
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(data_); }

 private:
  void* data_;
};

/// Two ranks, driven by one thread: every wait here is for what is there already, or fails soon.
class FabricTest : public testing::Test {
 protected:
  FabricTest() {
    for (std::size_t rank = 0; rank < kRanks; ++rank) {
      waits_[rank].timeout_ns = 20'000'000;
      waits_[rank].sleepers = &reinterpret_cast<SegmentHeader*>(segments_[0].data())->sleepers;
      for (std::size_t peer = 0; peer < kRanks; ++peer)
        peers_[rank][peer].segment = segments_[peer].data();
      FabricParts parts;
      parts.rank = static_cast<std::int32_t>(rank);
      parts.ranks = kRanks;
      parts.peers = peers_[rank].data();
      parts.waits = &waits_[rank];
      fabrics_[rank] = Fabric(parts);
    }
  }

  void begin(std::size_t rank, std::uint64_t epoch, std::uint64_t signature) {
    fabrics_[rank].begin(
        {.epoch = epoch, .signature = signature, .count = 0, .call = 0, .root = 0});
  }
  WaitFailure failure(std::size_t rank) const { return waits_[rank].failure; }

  const HostThread group_{};
  std::array<Segment, kRanks> segments_;
  std::array<WaitState, kRanks> waits_{};
  std::array<std::array<FabricPeer, kRanks>, kRanks> peers_{};
  std::array<Fabric, kRanks> fabrics_;
};

TEST_F(FabricTest, a_rank_may_be_four_operations_ahead_and_its_signatures_are_still_there) {
  for (std::uint64_t epoch = 1; epoch <= kLaneTurns; ++epoch) {
    begin(0, epoch, 100 + epoch);
    fabrics_[0].publish(group_, kInputs, 1);
    EXPECT_EQ(fabrics_[0].end(), 1U);
  }
  for (std::uint64_t epoch = 1; epoch <= kLaneTurns; ++epoch) {
    begin(1, epoch, 100 + epoch);
    fabrics_[1].wait_for(group_, 0, kInputs, 1);
    EXPECT_FALSE(fabrics_[1].failed()) << epoch;
  }
}

TEST_F(FabricTest, the_fifth_operation_waits_for_whoever_is_in_the_first) {
  for (std::uint64_t epoch = 1; epoch <= kLaneTurns; ++epoch) {
    begin(0, epoch, epoch);
    fabrics_[0].publish(group_, kInputs, 1);
  }
  begin(1, 1, 1);
  begin(0, kLaneTurns + 1, kLaneTurns + 1);
  fabrics_[0].publish(group_, kInputs, 1);
  EXPECT_TRUE(fabrics_[0].failed());
  EXPECT_EQ(failure(0).outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(failure(0).peer, 1);
}

TEST_F(FabricTest, another_signature_beside_the_lane_is_a_mismatch) {
  begin(0, 1, 7);
  fabrics_[0].publish(group_, kInputs, 1);
  begin(1, 1, 8);
  fabrics_[1].wait_for(group_, 0, kInputs, 1);
  EXPECT_EQ(failure(1).outcome, WaitOutcome::kMismatch);
  EXPECT_EQ(failure(1).expected, 8U);
  EXPECT_EQ(failure(1).seen, 7U);
}

TEST_F(FabricTest, an_operation_of_more_steps_than_a_lane_has_takes_several_epochs) {
  constexpr std::uint64_t kSteps = (std::uint64_t{2} << kStepBits) + 5;
  for (std::size_t rank = 0; rank < kRanks; ++rank) begin(rank, 1, 7);
  for (std::size_t rank = 0; rank < kRanks; ++rank) fabrics_[rank].publish(group_, kInputs, kSteps);
  for (std::size_t rank = 0; rank < kRanks; ++rank) {
    fabrics_[rank].wait_for(group_, static_cast<std::int32_t>(1 - rank), kInputs, kSteps);
    EXPECT_FALSE(fabrics_[rank].failed());
    EXPECT_EQ(fabrics_[rank].end(), 3U);
  }
  // What the long operation left in the lane must not look like a step of the next one.
  begin(0, 4, 9);
  begin(1, 4, 9);
  fabrics_[1].wait_for(group_, 0, kInputs, 1);
  EXPECT_EQ(failure(1).outcome, WaitOutcome::kTimeout);
  // The places of the long operation's slots are free once everybody is in the next.
  fabrics_[0].publish(group_, kInputs, 1);
  EXPECT_FALSE(fabrics_[0].failed());
}

TEST_F(FabricTest, a_slot_is_not_written_again_before_the_reader_says_so) {
  for (std::size_t rank = 0; rank < kRanks; ++rank) {
    begin(rank, 1, 7);
    fabrics_[rank].open_stage(group_, 6, kStageBytes / 4);
  }
  for (std::uint64_t slot = 0; slot < 4; ++slot) fabrics_[0].wait_slot_free(group_, slot);
  fabrics_[1].publish(group_, kConsumed, 1);
  fabrics_[0].wait_slot_free(group_, 4);
  EXPECT_FALSE(fabrics_[0].failed());
  EXPECT_EQ(fabrics_[0].slot(0, 4), fabrics_[0].slot(0, 0));
  fabrics_[0].wait_slot_free(group_, 5);  // where the second slot is, which nobody has read
  EXPECT_EQ(failure(0).outcome, WaitOutcome::kTimeout);
}

TEST_F(FabricTest, a_place_that_an_earlier_operation_used_is_free_when_its_readers_have_gone_on) {
  for (std::size_t rank = 0; rank < kRanks; ++rank) {
    begin(rank, 1, 7);
    fabrics_[rank].open_stage(group_, 1, kStageBytes);
  }
  begin(0, 2, 8);
  fabrics_[0].open_stage(group_, 1, 64);
  begin(1, 2, 8);
  fabrics_[0].wait_slot_free(group_, 0);
  EXPECT_FALSE(fabrics_[0].failed());
  begin(0, 3, 9);
  fabrics_[0].open_stage(group_, 1, kStageBytes - 64);
  fabrics_[0].wait_slot_free(group_, 0);  // lies behind operation 2's, on operation 1's
  EXPECT_FALSE(fabrics_[0].failed());
  begin(0, 4, 10);
  fabrics_[0].open_stage(group_, 1, 128);  // lies on operation 2's, in which rank 1 still is
  fabrics_[0].wait_slot_free(group_, 0);
  EXPECT_EQ(failure(0).outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(failure(0).peer, 1);
}

}  // namespace
}  // namespace sluice
