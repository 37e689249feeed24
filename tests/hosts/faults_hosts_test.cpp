// Ranks that are killed or stopped, and cables that are pulled, while ranks on several hosts work.
#include <fmt/format.h>

#include "on_hosts.hpp"
#include "support/rank_processes.hpp"

namespace sluice::test {
namespace {

constexpr milliseconds kLong(30'000);  // a timeout that no test waits for
constexpr milliseconds kShort(4'000);  // one that it does; also of the set-up
constexpr milliseconds kSlack(3'000);  // for a busy machine, and for the news to go round
constexpr std::uint64_t kEndless = ~0ull;

using SlowHosts = OnHosts;

const Stream kTiny{"tiny", "", Stream::Kind::kAllReduce, 4};
const Stream kLarge{"large", "", Stream::Kind::kAllReduce, 1 << 20};
const Stream kHostStreams[] = {kTiny, kLarge, kMessages};

class FaultsOnHosts : public OnHostsWith<Stream> {
 protected:
  static void expect_timeout(RankProcesses& ranks, int rank, Clock::time_point since) {
    ASSERT_TRUE(ranks.fails(rank, kShort + milliseconds(10'000))) << "rank " << rank << " goes on";
    const Report& report = ranks[rank];
    EXPECT_GE(report.failed_at() - since, kShort - milliseconds(100)) << report.text;
    EXPECT_LT(report.failed_at() - since, kShort + kSlack) << report.text;
    EXPECT_EQ(report.code, Errc::kTimeout) << report.text;
    EXPECT_TRUE(says(report, "waited 4000 ms for rank")) << report.text;
    EXPECT_FALSE(report.wrong);
    EXPECT_TRUE(ranks.ends(rank, milliseconds(15'000))) << "its destructor hangs";
  }
};

TEST_P(FaultsOnHosts, a_killed_rank_is_named_to_all_others_within_two_seconds) {
  const NetworkHosts hosts(2);
  constexpr int kRanks = 4;
  for (const int victim : {0, 1, 3}) {
    SCOPED_TRACE(fmt::format("rank {} is killed", victim));
    RankProcesses ranks(kRanks, GetParam(), kLong, kEndless, spread(hosts, 2));
    ASSERT_TRUE(ranks.under_way()) << ranks.texts();
    const auto killed_at = Clock::now();
    ranks.kill_now(victim);
    expect_all_hear_of(ranks, victim, killed_at);
  }
}

TEST_P(FaultsOnHosts, a_stopped_rank_is_named_after_the_timeout) {
  const NetworkHosts hosts(2);
  RankProcesses ranks(2, GetParam(), kShort, kEndless, spread(hosts, 1));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  const auto stopped_at = Clock::now();
  ASSERT_EQ(::kill(ranks.pid(1), SIGSTOP), 0);
  expect_timeout(ranks, 0, stopped_at);
  EXPECT_TRUE(says(ranks[0], "rank 1, which does not answer")) << ranks[0].text;
}

TEST_P(FaultsOnHosts, a_stopped_rank_ends_all_others_at_the_timeout) {
  const NetworkHosts hosts(3);
  RankProcesses ranks(3, GetParam(), kShort, kEndless, spread(hosts, 1));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  const auto stopped_at = Clock::now();
  ASSERT_EQ(::kill(ranks.pid(1), SIGSTOP), 0);
  for (const int rank : {0, 2}) {
    expect_timeout(ranks, rank, stopped_at);
    EXPECT_TRUE(says(ranks[rank], "rank 1, which does not answer")) << ranks[rank].text;
  }
}

// Whoever asks after the stopped rank, or sends to it, waits for its answer meanwhile.
TEST_P(FaultsOnHosts, a_killed_rank_is_named_while_another_is_stopped) {
  const NetworkHosts hosts(3);
  for (const int victim : {1, 2}) {
    SCOPED_TRACE(fmt::format("rank {} is killed", victim));
    RankProcesses ranks(3, GetParam(), kLong, kEndless, spread(hosts, 1));
    ASSERT_TRUE(ranks.under_way()) << ranks.texts();
    ASSERT_EQ(::kill(ranks.pid(3 - victim), SIGSTOP), 0);
    std::this_thread::sleep_for(milliseconds(500));
    const auto killed_at = Clock::now();
    ranks.kill_now(victim);
    expect_hears_of(ranks, 0, victim, killed_at);
  }
}

// Who is in the middle of a put when the cable goes finds that it cannot go on; who waits, that
// nothing comes.
TEST_P(FaultsOnHosts, a_pulled_cable_ends_in_an_error_that_names_the_rank_behind_it) {
  const NetworkHosts hosts(2);
  RankProcesses ranks(2, GetParam(), kShort, kEndless, spread(hosts, 1));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  const auto pulled_at = Clock::now();
  hosts.unplug(1);
  for (const int rank : {0, 1}) {
    ASSERT_TRUE(ranks.fails(rank, kShort + milliseconds(10'000))) << "rank " << rank << " goes on";
    const Report& report = ranks[rank];
    EXPECT_LT(report.failed_at() - pulled_at, kShort + kSlack) << report.text;
    const std::string other = fmt::format("rank {}", 1 - rank);
    EXPECT_TRUE(
        report.code == Errc::kTimeout
            ? says(report, fmt::format("waited 4000 ms for {}, which does not answer", other))
            : report.code == Errc::kRemoteError &&
                  says(report, fmt::format("the memory of {} cannot be reached", other)))
        << report.text;
    EXPECT_FALSE(report.wrong);
    EXPECT_TRUE(ranks.ends(rank, milliseconds(15'000))) << "its destructor hangs";
  }
}

TEST_P(FaultsOnHosts, a_cable_that_is_soon_plugged_in_again_is_not_noticed) {
  const NetworkHosts hosts(2);
  RankProcesses ranks(2, GetParam(), kLong, kEndless, spread(hosts, 1));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  for (int time = 0; time < 2; ++time) {
    hosts.unplug(time);
    std::this_thread::sleep_for(milliseconds(300));
    hosts.plug_in(time);
    const std::uint64_t before = ranks[0].rounds;
    // TCP's own pause before it tries again doubles; 0.3 s of silence is made good within seconds.
    EXPECT_TRUE(comes_true(milliseconds(15'000), [&] {
      return ranks[0].rounds > before + 5 && ranks[1].rounds > before + 5;
    })) << ranks.texts();
  }
  for (const int rank : {0, 1}) {
    EXPECT_EQ(ranks[rank].failed_at_ns, 0) << ranks[rank].text;
    EXPECT_FALSE(ranks[rank].wrong);
  }
}

// It is under way for seconds after the rank is known to have left.
TEST_F(SlowHosts, what_a_rank_sent_before_it_left_arrives) {
  const NetworkHosts hosts(2);
  for (const int host : {0, 1}) hosts.limit(host, "2mbit");
  constexpr std::uint64_t kBytes = 1 << 20;
  Launch launch;
  launch.place = spread(hosts, 1);
  const auto send_and_leave = [](Communicator& c) -> std::string {
    std::vector<std::uint8_t> data(kBytes, c.rank() == 1 ? 7 : 0);
    if (c.rank() == 1) return text_of(c.send(data.data(), kBytes, DataType::kUint8, 0));
    std::string text = text_of(c.receive(data.data(), kBytes, DataType::kUint8, 1));
    return text.empty() && data != std::vector<std::uint8_t>(kBytes, 7) ? "wrong bytes" : text;
  };
  EXPECT_EQ(spawn_processes(2, send_and_leave, launch), "");
}

INSTANTIATE_TEST_SUITE_P(Streams, FaultsOnHosts, testing::ValuesIn(kHostStreams),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace sluice::test
