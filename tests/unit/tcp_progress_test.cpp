// Who looks after the sockets: a thread that polls, or the transport's own, which keeps away
// meanwhile.
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <thread>

#include "tcp_test_support.hpp"

namespace sluice::transport::tcp::test {
namespace {

/// How often the transports' own threads have gone to sleep, inside a system call or for one.
std::uint64_t sleeps_of_transports() {
  std::uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string word;
    if (!(std::ifstream(task.path() / "comm") >> word) || word != "sluice-tcp") continue;
    for (std::ifstream status(task.path() / "status"); status >> word;) {
      std::uint64_t switches = 0;
      if (word == "voluntary_ctxt_switches:" && status >> switches) sum += switches;
    }
  }
  return sum;
}

/// Two transports that have opened each other, with a counter each that the other one raises.
struct TcpProgress : testing::Test {
  struct Rank {
    Tcp tcp = start();
    Published shown = publish(tcp, 4096);
    std::optional<Tcp::Remote> peer;
    std::uint64_t count() const { return counter_at(shown.window.base); }
  };

  TcpProgress() {
    ranks[0].peer = open(ranks[0].tcp, ranks[1].shown.blob);
    ranks[1].peer = open(ranks[1].tcp, ranks[0].shown.blob);
  }

  /// Signals of both, each sent once the other one's has come.
  void exchange(std::uint64_t times, bool polling) {
    const auto work = [&](Rank& own) {
      for (std::uint64_t next = exchanged + 1; next <= exchanged + times; ++next) {
        ASSERT_TRUE(own.tcp.signal(*own.peer, 0, 1).ok()) << last_error();
        for (const Deadline by = soon(); polling && own.count() < next && !by.passed();)
          own.tcp.poll({}, &*own.peer);
        ASSERT_TRUE(comes_true(seconds(20), [&] { return own.count() >= next; }));
      }
    };
    std::thread other(work, std::ref(ranks[1]));
    work(ranks[0]);
    other.join();
    exchanged += times;
  }

  const Quiet quiet;
  Rank ranks[2];
  std::uint64_t exchanged = 0;
};

TEST_F(TcpProgress, the_transports_thread_is_not_woken_by_what_a_polling_thread_takes_in) {
  constexpr std::uint64_t kSignals = 5000;
  exchange(1, false);  // their threads have slept in wait for this one, and do again
  const auto start = Clock::now();
  const std::uint64_t before = sleeps_of_transports();
  exchange(kSignals, true);
  const std::uint64_t sleeps = sleeps_of_transports() - before;
  const auto ms = std::chrono::duration_cast<milliseconds>(Clock::now() - start).count();
  // Each looks every 5 ms whether somebody still polls.
  EXPECT_LT(sleeps, kSignals / 50 + static_cast<std::uint64_t>(ms));
}

TEST_F(TcpProgress, a_poll_with_patience_has_it_although_the_thread_was_called_away) {
  constexpr milliseconds kPatience{20};
  for (int turn = 0; turn < 10; ++turn) {
    exchange(1, false);  // the thread listens again, and the next poll calls it away
    Tcp& waits = ranks[turn % 2].tcp;
    waits.poll({});
    const auto start = Clock::now();
    waits.poll(kPatience);
    EXPECT_GE(Clock::now() - start, kPatience - milliseconds(1));
  }
}

TEST_F(TcpProgress, the_transports_thread_takes_over_when_nobody_polls_any_more) {
  for (int turn = 0; turn < 3; ++turn) {
    exchange(100, true);
    exchange(1, false);
  }
}

}  // namespace
}  // namespace sluice::transport::tcp::test
