// Ranks as processes: killed, leaving, forking.
//
// A rank is this program again, told by the environment to run the disabled test at the end of this
// file: a fork of a process with threads may do next to nothing, a fresh program may do anything.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "base/environment.hpp"
#include "bootstrap_test_support.hpp"

extern char** environ;

namespace sluice::bootstrap::test {
namespace {

using std::chrono::milliseconds;

// Above all that this program has open: the one would else take the place of the other's pipe
// before that is moved to its own.
constexpr int kCommandFd = 200;
constexpr int kReportFd = 201;
constexpr const char* kRankTest = "BootstrapProcess.DISABLED_one_rank";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string to_hex(const UniqueId& id) {
  std::string text;
  for (const std::byte byte : id.bytes)
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return text;
}

UniqueId from_hex(const std::string& text) {
  UniqueId id;
  for (std::size_t i = 0; i < id.bytes.size() && 2 * i + 1 < text.size(); ++i) {
    id.bytes[i] = static_cast<std::byte>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  }
  return id;
}

class RankProcess {
 public:
  RankProcess(const UniqueId& id, int rank, int size) {
    std::array<int, 2> commands;
    std::array<int, 2> reports;
    EXPECT_EQ(::pipe2(commands.data(), O_CLOEXEC), 0);
    EXPECT_EQ(::pipe2(reports.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, commands[0], kCommandFd);
    ::posix_spawn_file_actions_adddup2(&actions, reports[1], kReportFd);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    std::vector<std::string> variables = {"BOOTSTRAP_TEST_ID=" + to_hex(id),
                                          "BOOTSTRAP_TEST_RANK=" + std::to_string(rank),
                                          "BOOTSTRAP_TEST_SIZE=" + std::to_string(size)};
    std::vector<char*> environment;
    // All but which part of the tests this process runs: the rank's is in no part of its own.
    for (char** each = environ; *each != nullptr; ++each)
      if (!std::string_view(*each).starts_with("GTEST_")) environment.push_back(*each);
    for (auto& each : variables) environment.push_back(each.data());
    environment.push_back(nullptr);
    std::string filter = fmt::format("--gtest_filter={}", kRankTest);
    std::array<char*, 5> arguments = {const_cast<char*>("rank"), filter.data(),
                                      const_cast<char*>("--gtest_also_run_disabled_tests"),
                                      const_cast<char*>("--gtest_output="), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, arguments.data(),
                            environment.data()),
              0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(commands[0]);
    ::close(reports[1]);
    commands_ = Fd(commands[1]);
    reports_ = Fd(reports[0]);
  }
  ~RankProcess() {
    if (pid_ > 0) kill();
  }
  RankProcess(RankProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        commands_(std::move(other.commands_)),
        reports_(std::move(other.reports_)),
        heard_(std::move(other.heard_)) {}

  pid_t pid() const { return pid_; }
  const std::string& heard() const { return heard_; }

  void kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  void command(char letter) { EXPECT_EQ(::write(commands_.get(), &letter, 1), 1); }
  /// Commands the rank to leave; its exit status.
  int leave(char letter = 'q') {
    command(letter);
    int status = -1;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return status;
  }
  /// Waits until the rank has reported a line with this text.
  bool reports(const std::string& text, milliseconds time = std::chrono::seconds(20)) {
    for (const Deadline deadline = soon(time); !contains(heard_, text);) {
      if (wait_until_ready(reports_, POLLIN, deadline) != 0) return false;
      std::array<char, 256> chunk;
      const auto bytes = ::read(reports_.get(), chunk.data(), chunk.size());
      if (bytes <= 0) return false;
      heard_.append(chunk.data(), static_cast<std::size_t>(bytes));
    }
    return true;
  }

 private:
  pid_t pid_ = -1;
  Fd commands_;
  Fd reports_;
  std::string heard_;
};

std::vector<RankProcess> start_ranks(const UniqueId& id, int size) {
  std::vector<RankProcess> ranks;
  for (int rank = 0; rank < size; ++rank) ranks.emplace_back(id, rank, size);
  for (auto& rank : ranks) EXPECT_TRUE(rank.reports("joined\n")) << rank.heard();
  return ranks;
}

void expect_all_others_report(std::vector<RankProcess>& ranks, std::size_t victim) {
  const std::string news = fmt::format("lost {}\n", victim);
  const Deadline deadline = soon(milliseconds(2000));
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    if (rank == victim || ranks[rank].pid() < 0) continue;
    EXPECT_TRUE(ranks[rank].reports(news, milliseconds(deadline.milliseconds_left())))
        << "rank " << rank;
  }
}

TEST(BootstrapProcess, a_killed_rank_is_noticed_by_all) {
  auto ranks = start_ranks(local_id(), 4);
  ranks[2].kill();
  expect_all_others_report(ranks, 2);
}

TEST(BootstrapProcess, a_killed_rank_that_serves_is_noticed_by_all) {
  auto ranks = start_ranks(well_known_id(free_port()), 4);
  ranks[0].kill();
  expect_all_others_report(ranks, 0);
  // The server is gone, the processes of this host still watch each other.
  ranks[3].kill();
  expect_all_others_report(ranks, 3);
}

TEST(BootstrapProcess, a_rank_that_exits_without_leaving_is_noticed_by_all) {
  for (const std::size_t victim : {0U, 2U}) {
    auto ranks = start_ranks(well_known_id(free_port()), 3);
    EXPECT_EQ(ranks[victim].leave('e'), 0);
    expect_all_others_report(ranks, victim);
  }
}

TEST(BootstrapProcess, a_killed_rank_is_noticed_although_a_child_of_it_lives_on) {
  auto ranks = start_ranks(well_known_id(free_port()), 3);
  for (const std::size_t victim : {1U, 0U}) {
    ranks[victim].command('f');
    ASSERT_TRUE(ranks[victim].reports("forked\n"));
    ranks[victim].kill();
    ASSERT_TRUE(ranks[2].reports(fmt::format("lost {}\n", victim), milliseconds(2000)));
  }
}

TEST(BootstrapProcess, ranks_that_leave_are_not_lost) {
  for (const bool rank_zero_serves : {false, true}) {
    auto ranks = start_ranks(rank_zero_serves ? well_known_id(free_port()) : local_id(), 4);
    for (const std::size_t leaver : {0U, 2U, 1U}) {
      EXPECT_EQ(ranks[leaver].leave(), 0);
      std::this_thread::sleep_for(milliseconds(200));
    }
    EXPECT_EQ(ranks[3].leave(), 0);
    EXPECT_FALSE(ranks[3].reports("lost", milliseconds(100))) << ranks[3].heard();
  }
}

TEST(BootstrapProcess, ranks_that_leave_and_exit_without_clean_up_are_not_lost) {
  auto ranks = start_ranks(well_known_id(free_port()), 3);
  EXPECT_EQ(ranks[0].leave('x'), 0);
  EXPECT_EQ(ranks[1].leave('x'), 0);
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_EQ(ranks[2].leave(), 0);
  EXPECT_FALSE(ranks[2].reports("lost", milliseconds(100))) << ranks[2].heard();
}

void report(const std::string& line) {
  EXPECT_EQ(::write(kReportFd, line.data(), line.size()), static_cast<ssize_t>(line.size()));
}

/// A worker such as a data loader starts: holds what it inherits and does nothing, until the test
/// is over.
void fork_idle_child() {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(kReportFd);
    ::sleep(5);
    ::_exit(0);
  }
}

TEST(BootstrapProcess, DISABLED_one_rank) {
  const auto id = environment::text("BOOTSTRAP_TEST_ID");
  if (!id) GTEST_SKIP() << "only for the other tests of this file to start";
  ::alarm(60);
  const int rank = std::atoi(std::getenv("BOOTSTRAP_TEST_RANK"));
  const int size = std::atoi(std::getenv("BOOTSTRAP_TEST_SIZE"));
  auto joined = join(from_hex(*id), rank, size);
  ASSERT_TRUE(joined.bootstrap) << joined.text;
  joined.bootstrap->watch([](const Bootstrap::Event& event) {
    if (event.kind == Bootstrap::Event::Kind::kLost) report(fmt::format("lost {}\n", event.rank));
  });
  ASSERT_TRUE(joined.bootstrap->all_gather(blob_of(rank, 0, 10), soon()).ok());
  report("joined\n");
  for (char letter = 0; ::read(kCommandFd, &letter, 1) == 1;) {
    if (letter == 'f') {
      fork_idle_child();
      report("forked\n");
    }
    if (letter == 'e') std::exit(0);
    if (letter != 'q' && letter != 'x') continue;
    joined.bootstrap.reset();
    if (letter == 'x') ::_exit(0);
    return;
  }
}

}  // namespace
}  // namespace sluice::bootstrap::test
