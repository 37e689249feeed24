// What becomes of strands whose peers do not come, call something else, or are told to stop: every
// launch ends, all threads of a group together, and says why.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "catalogue_strands.hpp"
#include "support/strand_ranks.hpp"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;

constexpr StrandShape kShape{2, 3};
constexpr std::uint64_t kCount = 3000;  // floats: more than packets, several fragments of none

struct Buffers {
  std::vector<float> input = std::vector<float>(8 * kCount, 1), output = input;
};

StrandCall call_of(const TeamEntry& entry, Buffers& buffers, int ranks, std::uint64_t word = 0) {
  StrandCall call{.shape = shape_of(entry.collective),
                  .words = {word, 0},
                  .strands = static_cast<std::int32_t>(kShape.strands),
                  .shows_buffers = entry.needs >= Needs::kReach};
  const std::uint64_t count = entry.max_bytes < kCount * sizeof(float) ? 100 : kCount;
  call.arguments.input = reinterpret_cast<const std::byte*>(buffers.input.data());
  call.arguments.output = reinterpret_cast<std::byte*>(buffers.output.data());
  call.arguments.count = count;
  call.arguments.elem_bytes = sizeof(float);
  call.arguments.blocks = Blocks::equal(count, sizeof(float), static_cast<std::uint64_t>(ranks));
  return call;
}

void launch(StrandRank& rank, const TeamEntry& entry, const StrandCall& call) {
  const GroupArithmetic math{DataType::kFloat32, ReduceOp::kSum, 1};
  rank.launch([&](const HostTeam& team, Strand& strand) {
    run_strand(team, strand, entry.run, math, call, SameAddresses{});
  });
}

const TeamEntry& entry_named(Collective collective, std::string_view name) {
  for (const TeamEntry& entry : team_catalogue())
    if (entry.collective == collective && entry.name == name) return entry;
  ADD_FAILURE() << "no entry " << name;
  return team_catalogue().front();
}

TEST(StrandFailures, a_rank_that_does_not_come_ends_every_schedule_at_the_deadline) {
  for (const TeamEntry& entry : team_catalogue()) {
    if (!runs_in_kernels(entry)) continue;
    SCOPED_TRACE(testing::Message() << sluice::name(entry.collective) << " " << entry.name);
    constexpr int kRanks = 3;
    StrandRanks job(kRanks, kShape, milliseconds(30));
    std::vector<std::thread> threads;
    for (int r = 0; r < kRanks - 1; ++r)  // the last one does not
      threads.emplace_back([&, r] {
        Buffers buffers;
        // What sends and waits for nobody finds out when it may not write again.
        for (int i = 0; i < 40 && job[r].failure().written == 0; ++i)
          launch(job[r], entry, call_of(entry, buffers, kRanks));
      });
    for (std::thread& thread : threads) thread.join();
    for (int r = 0; r < kRanks - 1; ++r) {
      const StrandFailure& failure = job[r].failure();
      if (r == 1 && failure.written == 0) continue;  // it need not hear of the last one
      EXPECT_EQ(failure.written, 1u) << r;
      EXPECT_EQ(failure.rank, r);
      EXPECT_TRUE(failure.why.outcome == WaitOutcome::kTimeout ||
                  failure.why.outcome == WaitOutcome::kAborted);
      EXPECT_GE(failure.epoch, 1u);
      EXPECT_LT(failure.why.seen, failure.why.expected);
      EXPECT_NE(failure.why.peer, r);
      EXPECT_EQ(failure.own.epoch, failure.epoch);
      EXPECT_EQ(failure.own.count, job[r].strand(0).fabric.record(r, failure.epoch).count);
    }
  }
}

TEST(StrandFailures, an_abort_ends_the_wait_long_before_the_deadline) {
  const TeamEntry& entry = entry_named(Collective::kAllReduce, "two_shot");
  StrandRanks job(2, kShape, std::chrono::hours(1));
  Buffers buffers;
  std::thread host([&] {
    std::this_thread::sleep_for(milliseconds(30));
    job[0].abort();
  });
  launch(job[0], entry, call_of(entry, buffers, 2));
  host.join();
  EXPECT_EQ(job[0].failure().written, 1u);
  EXPECT_EQ(job[0].failure().why.outcome, WaitOutcome::kAborted);
  EXPECT_EQ(job[0].failure().why.peer, 1);
}

TEST(StrandFailures, calls_that_do_not_fit_are_a_mismatch) {
  const TeamEntry& entry = entry_named(Collective::kAllReduce, "packet");
  StrandRanks job(2, kShape, std::chrono::seconds(30));
  std::vector<std::thread> threads;
  for (int r = 0; r < 2; ++r)
    threads.emplace_back([&, r] {
      Buffers buffers;
      launch(job[r], entry, call_of(entry, buffers, 2, static_cast<std::uint64_t>(r)));
    });
  for (std::thread& thread : threads) thread.join();
  for (int r = 0; r < 2; ++r) {
    EXPECT_EQ(job[r].failure().why.outcome, WaitOutcome::kMismatch);
    EXPECT_EQ(job[r].failure().why.peer, 1 - r);
    EXPECT_EQ(job[r].failure().own.epoch, 1u);
    EXPECT_EQ(job[r].failure().theirs.epoch, 1u);
    EXPECT_NE(job[r].failure().own.signature, job[r].failure().theirs.signature);
  }
}

TEST(StrandFailures, who_comes_after_a_failure_finds_no_buffers_to_touch) {
  const TeamEntry& entry = entry_named(Collective::kAllReduce, "direct");
  StrandRanks job(2, kShape, milliseconds(30));
  Buffers early, late;
  launch(job[0], entry, call_of(entry, early, 2));
  ASSERT_EQ(job[0].failure().why.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(job[0].failure().peer_started, 0u);
  EXPECT_TRUE(job[0].strand(0).fabric.is_out(0));
  std::fill(late.input.begin(), late.input.end(), 2.0f);
  launch(job[1], entry, call_of(entry, late, 2));
  EXPECT_EQ(job[1].failure().why.outcome, WaitOutcome::kMismatch);
  for (const float element : early.output) ASSERT_EQ(element, 1);
}

TEST(StrandFailures, a_strand_that_has_failed_does_nothing_any_more) {
  const TeamEntry& entry = entry_named(Collective::kAllReduce, "two_shot");
  StrandRanks job(2, kShape, milliseconds(30));
  Buffers buffers;
  launch(job[0], entry, call_of(entry, buffers, 2));
  const std::uint64_t epoch = job[0].failure().epoch;
  launch(job[0], entry, call_of(entry, buffers, 2));
  EXPECT_EQ(job[0].failure().epoch, epoch);
  EXPECT_TRUE(job[0].strand(0).fabric.is_out(0));
}

TEST(StrandFailures, a_strand_that_fails_ends_its_siblings) {
  const TeamEntry& entry = entry_named(Collective::kAllReduce, "two_shot");
  StrandRanks job(2, kShape, std::chrono::hours(1));
  job[0].strand(1).fabric.waits().timeout_ns = 20'000'000;  // the other would wait an hour
  Buffers buffers;
  launch(job[0], entry, call_of(entry, buffers, 2));
  EXPECT_EQ(job[0].failure().strand, 1);
  EXPECT_EQ(job[0].failure().why.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(job[0].strand(0).fabric.waits().failure.outcome, WaitOutcome::kAborted);
}

}  // namespace
}  // namespace sluice::test
