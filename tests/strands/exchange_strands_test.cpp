// Messages by groups of several threads, in the way a kernel moves them: several ranks, threads and
// strands; sizes around those where a message is cut; collectives and messages one behind the other
// without waiting for other ranks. And what becomes of messages that do not fit or do not come.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "catalogue_strands.hpp"
#include "plan/strand_exchange.hpp"
#include "support/strand_ranks.hpp"

namespace sluice::test {
namespace {

constexpr StrandShape kShapes[] = {{1, 1}, {1, 3}, {2, 2}, {3, 2}};
constexpr std::uint64_t kRecord = 0x0c;  // of a collective of ragged blocks

using Bytes = std::vector<std::byte>;

std::byte content(int from, int to, std::size_t message, std::size_t i) {
  return static_cast<std::byte>(from * 61 + to * 17 + static_cast<int>(message) * 5 +
                                static_cast<int>(i % 251));
}

void launch(StrandRank& rank, const std::vector<ListedTransfer>& listed, ExchangeCall call) {
  call.count = static_cast<std::uint32_t>(listed.size());
  ExchangeLaunch lists{.call = call, .strands = 1, .lists = true};
  const auto strands = static_cast<std::uint32_t>(rank.strand(0).count);
  for (; lists.first < call.count; lists.first += lists.count) {
    lists.count = std::min(kTransfersOfLaunch, call.count - lists.first);
    std::copy_n(listed.begin() + lists.first, lists.count, lists.transfers);
    if (call.count <= kTransfersOfLaunch) break;
    rank.launch([&](const HostTeam& team, Strand& strand) {
      run_launch(team, &rank.strand(0), static_cast<std::uint32_t>(strand.index), lists);
    });
  }
  ExchangeLaunch moves = lists;
  moves.lists = false;
  moves.strands = strands;
  if (call.count > kTransfersOfLaunch) moves.count = 0;
  rank.launch([&](const HostTeam& team, Strand& strand) {
    run_launch(team, &rank.strand(0), static_cast<std::uint32_t>(strand.index), moves);
  });
}

/// One rank's buffers of a round, in which every rank sends every rank, itself too, the sizes of
/// the round.
struct Round {
  Round(int me, int ranks, const std::vector<std::size_t>& sizes) : me_(me), sizes_(sizes) {
    for (int peer = 0; peer < ranks; ++peer)
      for (std::size_t m = 0; m < sizes.size(); ++m) {
        Bytes& sent = buffers_.emplace_back(sizes[m] + 1);  // not all equally aligned
        for (std::size_t i = 0; i < sizes[m]; ++i) sent[i + m % 2] = content(me, peer, m, i);
        listed.push_back({sent.data() + m % 2, sizes[m], peer, true, DataType::kUint8});
        Bytes& received = buffers_.emplace_back(sizes[m], std::byte{0xa5});
        listed.push_back({received.data(), sizes[m], peer, false, DataType::kUint8});
      }
  }

  std::string check() const {
    for (std::size_t t = 1; t < listed.size(); t += 2) {
      const std::size_t m = t / 2 % sizes_.size();
      for (std::size_t i = 0; i < sizes_[m]; ++i)
        if (listed[t].data[i] != content(listed[t].peer, me_, m, i))
          return fmt::format("byte {} of message {} ({} bytes) from rank {}", i, m, sizes_[m],
                             listed[t].peer);
    }
    return {};
  }

  std::vector<ListedTransfer> listed;

 private:
  int me_;
  const std::vector<std::size_t>& sizes_;
  std::vector<Bytes> buffers_;
};

std::string outcome_of(const StrandFailure& failure) {
  if (failure.written == 0) return {};
  return fmt::format("outcome {} of a wait for rank {} for {:#x}, saw {:#x}",
                     static_cast<int>(failure.why.outcome), failure.why.peer, failure.why.expected,
                     failure.why.seen);
}

std::string all_ranks(StrandRanks& job, const std::function<std::string(int rank)>& body) {
  std::vector<std::string> errors(static_cast<std::size_t>(job.size()));
  std::vector<std::thread> threads;
  for (int r = 0; r < job.size(); ++r)
    threads.emplace_back([&, r] {
      errors[static_cast<std::size_t>(r)] = body(r);
      if (errors[static_cast<std::size_t>(r)].empty()) return;
      for (int peer = 0; peer < job.size(); ++peer) job[peer].abort();
    });
  for (std::thread& thread : threads) thread.join();
  std::string all;
  for (const std::string& error : errors) all += error;
  return all;
}

TEST(StrandExchange, everything_with_everybody_head_to_head) {
  const std::vector<std::vector<std::size_t>> rounds = {
      {0, 1, 32, 33}, {16'384, 5, 16'385}, {300'000}, {70'001, 64, 0}, {31}};
  for (const StrandShape shape : kShapes)
    for (const int ranks : {1, 2, 3}) {
      SCOPED_TRACE(fmt::format("{} ranks, {} strands of {}", ranks, shape.strands, shape.threads));
      StrandRanks job(ranks, shape, std::chrono::seconds(60));
      EXPECT_EQ(
          all_ranks(
              job,
              [&](int r) -> std::string {
                std::uint64_t word = 0;
                for (const auto& sizes : rounds)
                  for (const bool collective : {false, true}) {
                    Round round(r, ranks, sizes);
                    launch(job[r], round.listed,
                           {.is_collective = collective, .words = {++word, 0}, .record = kRecord});
                    auto error = outcome_of(job[r].failure());
                    if (error.empty()) error = round.check();
                    if (!error.empty()) return fmt::format("rank {}: {}\n", r, error);
                  }
                return {};
              }),
          "");
    }
}

TEST(StrandExchange, more_than_a_launch_carries) {
  const std::vector<std::size_t> sizes(60, 100);
  StrandRanks job(3, {2, 2}, std::chrono::seconds(60));
  EXPECT_EQ(all_ranks(job,
                      [&](int r) -> std::string {
                        Round round(r, 3, sizes);
                        launch(job[r], round.listed, {.record = kRecord});
                        return outcome_of(job[r].failure()) + round.check();
                      }),
            "");
}

TEST(StrandExchange, parts_cover_a_message_once) {
  for (const std::uint64_t strands : {1, 2, 3, 7, 64})
    for (const std::uint64_t bytes :
         {0ull, 1ull, 16383ull, 16384ull, 16385ull, 49'153ull, 1'000'003ull, (1ull << 40) + 7}) {
      std::uint64_t covered = 0;
      for (std::uint64_t s = 0; s < strands; ++s) {
        const Range part = part_of_message(bytes, s, strands);
        if (part.bytes == 0) continue;
        EXPECT_EQ(part.offset, covered);
        EXPECT_EQ(part.offset % 64, 0u);
        covered += part.bytes;
      }
      EXPECT_EQ(covered, bytes) << strands << " strands";
    }
}

ListedTransfer one(Bytes& buffer, std::size_t bytes, int peer, bool sends,
                   DataType type = DataType::kUint8) {
  return {buffer.data(), bytes, peer, sends, type};
}

/// What rank 1 finds when rank 0 sends `sent` and it expects `wanted`.
StrandFailure meet_messages(std::size_t sent, DataType sent_type, std::size_t wanted,
                            DataType wanted_type) {
  StrandRanks job(2, {2, 3}, std::chrono::seconds(2));
  Bytes from(sent), to(wanted);
  all_ranks(job, [&](int r) -> std::string {
    launch(job[r],
           {r == 0 ? one(from, sent, 1, true, sent_type) : one(to, wanted, 0, false, wanted_type)},
           {.record = kRecord});
    return {};
  });
  return job[1].failure();
}

TEST(StrandExchange, of_another_size_is_found_whatever_the_cut) {
  for (const auto& [sent, wanted] : {std::pair<std::size_t, std::size_t>(1, 0),
                                     {0, 1},
                                     {20'000, 20'001},
                                     {20'000, 10},
                                     {32'768, 16'384}}) {
    const StrandFailure failure = meet_messages(sent, DataType::kUint8, wanted, DataType::kUint8);
    EXPECT_EQ(failure.why.outcome, WaitOutcome::kWrongSize);
    EXPECT_EQ(failure.why.expected, wanted);
    EXPECT_EQ(failure.why.seen, sent);
    EXPECT_EQ(failure.why.peer, 0);
    EXPECT_EQ(failure.epoch, 0u);
    EXPECT_EQ(failure.own.call, kRecord);
  }
}

TEST(StrandExchange, of_another_type_is_found) {
  const StrandFailure failure = meet_messages(8, DataType::kFloat64, 8, DataType::kInt64);
  EXPECT_EQ(failure.why.outcome, WaitOutcome::kMismatch);
  EXPECT_EQ(failure.why.expected, message_kind(DataType::kInt64));
  EXPECT_EQ(failure.why.seen, message_kind(DataType::kFloat64));
}

TEST(StrandExchange, that_does_not_come_ends_at_the_deadline_and_nothing_runs_after) {
  StrandRanks job(2, {2, 3}, std::chrono::milliseconds(30));
  Bytes buffer(50'000);
  launch(job[0], {one(buffer, buffer.size(), 1, false)}, {.record = kRecord});
  EXPECT_EQ(job[0].failure().written, 1u);
  EXPECT_EQ(job[0].failure().why.peer, 1);
  EXPECT_TRUE(job[0].strand(0).fabric.is_out(0));
  // A message to oneself, which would wait for nobody.
  Bytes from(100, std::byte{1}), to(100, std::byte{2});
  launch(job[0], {one(from, 100, 0, true), one(to, 100, 0, false)}, {.record = kRecord});
  EXPECT_EQ(to[0], std::byte{2});
}

}  // namespace
}  // namespace sluice::test
