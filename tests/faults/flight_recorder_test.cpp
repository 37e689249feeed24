// Ranks that hang, are stopped or have ended, as they look from outside.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>

#include "communicator/flight_text.hpp"
#include "support/rank_processes.hpp"
#include "support/ranks.hpp"

namespace sluice::test {
namespace {

/// The verdict on the one communicator that `pid` has a rank in.
std::string verdict_on(pid_t pid) {
  const FlightScan scan = scan_flights(pid);
  if (scan.communicators.size() != 1)
    return fmt::format("{} communicators", scan.communicators.size());
  return fmt::format("{}", fmt::join(verdict(scan.communicators.front(), scan.at_ns), "\n"));
}

/// What is seen of one rank of that communicator.
std::string look_at(pid_t pid, int rank) {
  const FlightScan scan = scan_flights(pid);
  for (const SeenCommunicator& communicator : scan.communicators)
    for (const SeenRank& seen : communicator.seen)
      if (seen.flight.rank == rank)
        return whereabouts(seen.flight) + "; " + wait_text(seen.flight, scan.at_ns);
  return "not seen";
}

/// Looks until `text_of` says something with `part` in it; what it said last otherwise.
template <class Text>
std::string said(const std::string& part, Text text_of) {
  std::string text;
  const bool found = comes_true(milliseconds(20'000), [&] {
    text = text_of();
    return text.find(part) != std::string::npos;
  });
  return found ? "" : "expected " + part + ", found " + text;
}

/// One algorithm, whatever the machine is busy with.
Options on(const std::string& transport) {
  Options options;
  options.transport = transport;
  options.algorithm = "all_reduce:packet";
  return options;
}

/// All go on to the second all_reduce but rank 2, which looks at them and comes later.
std::string late_rank(Communicator& ranks) {
  float mine = 1, sum = 0;
  const auto reduce = [&] {
    return ranks.all_reduce(&mine, &sum, 1, DataType::kFloat32, ReduceOp::kSum);
  };
  std::vector<int> others;
  for (int rank = 0; rank < ranks.size(); ++rank)
    if (rank != 2) others.push_back(rank);
  std::string error = text_of(reduce());
  if (error.empty() && ranks.rank() == 2) {
    const auto whole = [] { return verdict_on(::getpid()); };
    error = said(fmt::format("{} ranks wait for it, the longest for ", others.size()), whole);
    error += said(
        "rank 2 is late: it has not begun all_reduce #2 (idle since the end of all_reduce "
        "#1 (count 1, float, sum)); ",
        whole);
    for (const int rank : others)
      error += said("in all_reduce #2 (count 1, float, sum); waits ",
                    [&] { return look_at(::getpid(), rank); });
  }
  if (error.empty()) error = text_of(reduce());
  if (error.empty() && ranks.rank() == 2)  // that is over, and they wait for the message below
    for (const int rank : others)
      error += said("exchanging messages, after all_reduce #2 (count 1, float, sum); waits ",
                    [&] { return look_at(::getpid(), rank); });
  // Nobody leaves before rank 2 has looked.
  int done = 0;
  if (ranks.rank() == 2)
    for (const int rank : others) error += text_of(ranks.send(&done, 1, DataType::kInt32, rank));
  else
    error += text_of(ranks.receive(&done, 1, DataType::kInt32, 2));
  return error;
}

TEST(FlightRecorder, names_a_process_that_does_not_come_and_who_waits_for_it) {
  test::Launch launch;
  launch.options = on("auto");
  EXPECT_EQ(test::spawn_processes(3, late_rank, launch), "");
}

TEST(FlightRecorder, names_a_process_that_does_not_come_to_a_job_of_two_hosts) {
  test::Launch launch;
  launch.options.algorithm = "all_reduce:hierarchical";
  launch.hosts = {0, 0, 1, 1};
  EXPECT_EQ(test::spawn_processes(4, late_rank, launch), "");
}

TEST(FlightRecorder, names_a_thread_that_does_not_come_and_who_waits_for_it) {
  for (const std::string& transport : test::thread_transports())
    EXPECT_EQ(test::spawn_threads(3, late_rank, on(transport)), "") << transport;
}

/// Rank 0 waits for a message, which rank 1 sends when it has seen that.
std::string late_message(Communicator& ranks) {
  int number = 0;
  if (ranks.rank() == 0) return text_of(ranks.receive(&number, 1, DataType::kInt32, 1));
  const auto rank_0 = [] { return look_at(::getpid(), 0); };
  std::string error = said("exchanging messages; waits ", rank_0);
  error += said("for rank 1: fragment 1 of the link", rank_0);
  return error + text_of(ranks.send(&number, 1, DataType::kInt32, 0));
}

/// Rank 0 waits for a signal, which rank 1 gives when it has seen that.
std::string late_signal(Communicator& ranks) {
  auto memory = Buffer<std::byte>::create(64);
  if (!memory.ok()) return last_error();
  const auto channels = make_channels(ranks, memory->data(), 64);
  if (!channels.ok()) return last_error();
  const HostThread group;
  std::string error;
  if (ranks.rank() == 0) {
    if (!channels.value()[1].wait(group)) error = "no signal";
  } else {
    const auto rank_0 = [] { return look_at(::getpid(), 0); };
    error = said("in no call yet; waits ", rank_0);
    error += said("for rank 1: signal 1 of a channel (now 0)", rank_0);
    channels.value()[0].signal(group);
  }
  return error + text_of(ranks.barrier());
}

TEST(FlightRecorder, tells_messages_from_collectives) {
  for (const std::string& transport : test::thread_transports())
    EXPECT_EQ(test::spawn_threads(2, late_message, on(transport)), "") << transport;
}

TEST(FlightRecorder, tells_waits_of_the_programs_own_channels) {
  for (const std::string& transport : test::thread_transports()) {
    if (transport == "tcp") continue;  // has no channels
    EXPECT_EQ(test::spawn_threads(2, late_signal, on(transport)), "") << transport;
  }
}

TEST(FlightRecorder, tells_the_error_of_every_rank) {
  std::atomic<int> told = 0;
  const auto body = [&](Communicator& ranks) -> std::string {
    if (ranks.rank() == 0) static_cast<void>(ranks.abort());
    const std::string part =
        ranks.rank() == 0 ? "has failed: rank 0 called abort()" : "aborted: rank 0 called abort()";
    const std::string error = said(part, [&] { return look_at(::getpid(), ranks.rank()); });
    ++told;
    comes_true(milliseconds(30'000), [&] { return told == ranks.size(); });
    return error;
  };
  EXPECT_EQ(test::spawn_threads(2, body), "");
}

TEST(FlightRecorder, says_that_a_process_is_stopped) {
  RankProcesses ranks(3, kSmall, milliseconds(60'000));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  ASSERT_EQ(::kill(ranks.pid(1), SIGSTOP), 0);
  const auto whole = [&] { return verdict_on(ranks.pid(1)); };
  EXPECT_EQ(said("rank 1 is late: it is stopped (SIGSTOP, or a debugger); ", whole), "");
  EXPECT_EQ(said("; 2 ranks wait for it, the longest for ", whole), "");
  for (const int rank : {0, 2}) ASSERT_EQ(::kill(ranks.pid(rank), SIGSTOP), 0);
  EXPECT_EQ(said("stopped (SIGSTOP, or a debugger): 0, 1, 2", whole), "");
}

TEST(FlightRecorder, says_that_a_process_has_ended_while_others_hold_its_segment) {
  RankProcesses ranks(3, kSmall, milliseconds(60'000));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  // Stopped, so that they do not leave when they hear of it.
  for (const int rank : {0, 2}) ASSERT_EQ(::kill(ranks.pid(rank), SIGSTOP), 0);
  ranks.kill_now(1);
  EXPECT_EQ(said("ended: 1", [&] { return verdict_on(ranks.pid(0)); }), "");
}

}  // namespace
}  // namespace sluice::test
