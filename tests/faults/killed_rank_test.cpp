// Processes that are killed or stopped in the middle of a stream of operations.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "support/rank_processes.hpp"

/// For the thread sanitizer: the rank processes end by _exit(), beside the thread of the
/// rendezvous.
extern "C" const char* __tsan_default_options() { return "report_thread_leaks=0"; }

namespace sluice::test {
namespace {

class KilledRank : public testing::TestWithParam<std::tuple<Stream, int>> {};

TEST_P(KilledRank, every_other_rank_gets_an_error_that_names_it_within_two_seconds) {
  const auto& [stream, victim] = GetParam();
  constexpr int kRanks = 3;
  RankProcesses ranks(kRanks, stream, milliseconds(30'000));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  const auto killed_at = Clock::now();
  ranks.kill_now(victim);
  expect_all_hear_of(ranks, victim, killed_at);
}

INSTANTIATE_TEST_SUITE_P(Faults, KilledRank,
                         testing::Combine(testing::ValuesIn(kStreams), testing::Values(0, 1, 2)),
                         [](const auto& test) {
                           return fmt::format("{}_rank_{}", std::get<0>(test.param).name,
                                              std::get<1>(test.param));
                         });

class StoppedRank : public testing::TestWithParam<Stream> {};

TEST_P(StoppedRank, the_others_time_out_and_say_whom_they_waited_for_and_what_it_did_last) {
  constexpr int kRanks = 3, kVictim = 1;
  constexpr milliseconds kTimeout(
      4000);  // also of the set-up, which may take seconds on a busy machine
  RankProcesses ranks(kRanks, GetParam(), kTimeout);
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  const auto stopped_at = Clock::now();
  ASSERT_EQ(::kill(ranks.pid(kVictim), SIGSTOP), 0);
  for (const int rank : {0, 2}) {
    ASSERT_TRUE(ranks.fails(rank, milliseconds(10'000))) << "rank " << rank << " goes on waiting";
    const Report& report = ranks[rank];
    EXPECT_GE(report.failed_at() - stopped_at, kTimeout - milliseconds(100)) << report.text;
    EXPECT_LT(report.failed_at() - stopped_at, kTimeout + milliseconds(1500)) << report.text;
    EXPECT_EQ(report.code, Errc::kTimeout) << report.text;
    EXPECT_TRUE(says(report, "waited 4000 ms for rank 1, which last began all_reduce #"))
        << report.text;
    EXPECT_TRUE(ranks.ends(rank, milliseconds(10'000))) << "its destructor hangs";
  }
  // What it finds when it goes on: the error of the others.
  ASSERT_EQ(::kill(ranks.pid(kVictim), SIGCONT), 0);
  ASSERT_TRUE(ranks.fails(kVictim, milliseconds(10'000)));
  EXPECT_TRUE(ranks.ends(kVictim, milliseconds(10'000)));
}

INSTANTIATE_TEST_SUITE_P(Faults, StoppedRank, testing::Values(kSmall, kStaged),
                         [](const auto& test) { return std::string(test.param.name); });

/// What `pid` has that others could find by name: shared mappings and open files.
std::vector<std::string> named_things(pid_t pid) {
  std::vector<std::string> found;
  std::ifstream maps(fmt::format("/proc/{}/maps", pid));
  for (std::string line; std::getline(maps, line);)
    if (line.find("rw-s") != std::string::npos && line.find("/memfd:") == std::string::npos &&
        line.find("/dev/zero") == std::string::npos)
      found.push_back(line);
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), ignored)) {
    const std::string target = std::filesystem::read_symlink(entry, ignored);
    if (target.starts_with("/dev/shm") || target.starts_with("/run") || target.find("sluice-") == 0)
      found.push_back(target);
  }
  return found;
}

std::vector<std::string> files_of_ours() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const char* folder : {"/dev/shm", "/run/shm"})
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      if (entry.path().filename().string().find("sluice") != std::string::npos)
        found.push_back(entry.path());
  return found;
}

TEST(KilledJob, leaves_neither_files_nor_processes_behind) {
  const auto before = files_of_ours();
  {
    RankProcesses ranks(3, kStaged, milliseconds(30'000));
    ASSERT_TRUE(ranks.under_way(5)) << ranks.texts();
    for (int rank = 0; rank < 3; ++rank)
      EXPECT_EQ(named_things(ranks.pid(rank)), std::vector<std::string>());
    for (int rank = 0; rank < 3; ++rank) ranks.kill_now(rank);
  }
  EXPECT_EQ(files_of_ours(), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a process of the job is still there";
  EXPECT_EQ(errno, ECHILD);
}

TEST(KilledJob, can_be_followed_by_another_at_once) {
  for (int round = 0; round < 3; ++round) {
    RankProcesses ranks(2, kLinks, milliseconds(30'000));
    ASSERT_TRUE(ranks.under_way(3)) << ranks.texts();
    ranks.kill_now(round % 2);
    ASSERT_TRUE(ranks.fails(1 - round % 2, milliseconds(10'000)));
  }
}

}  // namespace
}  // namespace sluice::test
