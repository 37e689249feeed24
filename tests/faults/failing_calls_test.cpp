// Ranks as threads that leave, abort, or do not come.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "support/streams.hpp"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// In one process, shm maps a rank's memory once for each rank, and the thread sanitizer does not
// know that a flag raised at one address is the one seen at another.
#if defined(__SANITIZE_THREAD__)
constexpr const char* kTransports[] = {"loopback"};
#else
constexpr const char* kTransports[] = {"loopback", "shm"};
#endif

/// How one rank's last call ended.
struct Outcome {
  Status status;
  std::string text;
  milliseconds took{0};
};

/// A communicator for each of `size` threads.
class FailingCalls : public testing::TestWithParam<Stream> {
 protected:
  void make(int size, milliseconds timeout, const char* transport = "auto") {
    const auto id = UniqueId::create();
    ASSERT_TRUE(id.ok()) << last_error();
    Options options;
    options.timeout = timeout;
    options.transport = transport;
    options.algorithm = GetParam().algorithm;
    ranks_.resize(static_cast<std::size_t>(size));
    run(size, [&](int rank) {
      auto made = Communicator::create(id.value(), rank, size, options);
      EXPECT_TRUE(made.ok()) << last_error();
      if (made.ok()) ranks_[static_cast<std::size_t>(rank)].emplace(std::move(made).value());
    });
    for (const auto& rank : ranks_) ASSERT_TRUE(rank.has_value());
  }
  static void run(int size, const std::function<void(int rank)>& body) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank) threads.emplace_back(body, rank);
    for (auto& thread : threads) thread.join();
  }
  Communicator& operator[](int rank) { return *ranks_[static_cast<std::size_t>(rank)]; }
  void leave(int rank) { ranks_[static_cast<std::size_t>(rank)].reset(); }

  /// Operates until it fails, `most` times at the most.
  Outcome operate(int rank, int most = 1 << 30) {
    Communicator& me = (*this)[rank];
    // Freed on return, also after an error: by then no peer may be copying from or to them any more
    // (the address sanitizer looks).
    Traffic traffic(GetParam(), me.size());
    Outcome outcome;
    const auto start = Clock::now();
    for (int round = 0; round < most && outcome.status.ok(); ++round)
      outcome.status = traffic.operate(me);
    if (!outcome.status.ok()) outcome.text = last_error();
    outcome.took = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
    return outcome;
  }
  /// Every later call gives the same, also through error().
  void expect_sticky(int rank, const Outcome& first) {
    Communicator& me = (*this)[rank];
    const auto start = Clock::now();
    for (int time = 0; time < 3; ++time) {
      EXPECT_EQ(me.barrier().code(), first.status.code());
      EXPECT_EQ(last_error(), first.text);
      EXPECT_EQ(operate(rank, 1).status.code(), first.status.code());
      EXPECT_EQ(me.error().code(), first.status.code());
      EXPECT_EQ(last_error(), first.text);
      EXPECT_FALSE(me.split(0, 0).ok());
    }
    leave(rank);
    EXPECT_LT(Clock::now() - start, milliseconds(3000))
        << "calls after an error, or the destructor, wait";
  }
  static bool says(const Outcome& outcome, const std::string& part) {
    return outcome.text.find(part) != std::string::npos;
  }

  std::vector<std::optional<Communicator>> ranks_;
};

TEST_P(FailingCalls, a_rank_that_leaves_is_reported_as_having_left) {
  ASSERT_NO_FATAL_FAILURE(make(3, milliseconds(20'000)));
  std::vector<Outcome> outcomes(3);
  run(3, [&](int rank) {
    auto& outcome = outcomes[static_cast<std::size_t>(rank)];
    outcome = operate(rank, rank == 1 ? 20 : 1 << 30);
    if (rank == 1) leave(rank);
  });
  EXPECT_TRUE(outcomes[1].status.ok()) << outcomes[1].text;
  for (const int rank : {0, 2}) {
    const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
    EXPECT_EQ(outcome.status.code(), Errc::kInvalidUsage) << outcome.text;
    EXPECT_TRUE(says(outcome, "rank 1")) << outcome.text;
    EXPECT_TRUE(says(outcome, "has left")) << outcome.text;
    EXPECT_LT(outcome.took, milliseconds(10'000));
    expect_sticky(rank, outcome);
  }
}

TEST_P(FailingCalls, abort_frees_a_blocked_call_here_and_on_the_other_ranks_at_once) {
  for (const char* transport : kTransports) {
    ASSERT_NO_FATAL_FAILURE(make(3, milliseconds(20'000), transport));
    std::vector<Outcome> outcomes(3);
    std::atomic<bool> aborted = false;
    std::thread aborter([&] {  // rank 2 never calls
      std::this_thread::sleep_for(milliseconds(100));
      EXPECT_TRUE((*this)[0].error().ok());
      aborted = true;
      EXPECT_TRUE((*this)[0].abort().ok());
    });
    run(2, [&](int rank) { outcomes[static_cast<std::size_t>(rank)] = operate(rank); });
    EXPECT_TRUE(aborted) << "a call came back before anybody aborted it";
    aborter.join();
    for (const int rank : {0, 1}) {
      const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
      EXPECT_EQ(outcome.status.code(), Errc::kAborted) << outcome.text;
      EXPECT_TRUE(says(outcome, "rank 0 called abort()")) << outcome.text;
      EXPECT_LT(outcome.took, milliseconds(1100)) << transport;
      expect_sticky(rank, outcome);
    }
    const auto start = Clock::now();
    while ((*this)[2].error().ok() && Clock::now() - start < milliseconds(2000))
      std::this_thread::yield();
    EXPECT_EQ((*this)[2].error().code(), Errc::kAborted)
        << "the rank that was not in a call must hear it too";
    ranks_.clear();
  }
}

TEST_P(FailingCalls, a_rank_that_never_calls_is_named_after_the_timeout) {
  constexpr milliseconds kTimeout(4000);  // also of the set-up
  ASSERT_NO_FATAL_FAILURE(make(2, kTimeout));
  const Outcome outcome = operate(0);
  EXPECT_EQ(outcome.status.code(), Errc::kTimeout) << outcome.text;
  EXPECT_TRUE(says(outcome, "waited 4000 ms for rank 1, which has not called a collective yet"))
      << outcome.text;
  EXPECT_GE(outcome.took, kTimeout);
  EXPECT_LT(outcome.took, kTimeout + milliseconds(1500));
  expect_sticky(0, outcome);
}

TEST_P(FailingCalls, error_may_be_asked_from_any_thread_while_calls_run) {
  ASSERT_NO_FATAL_FAILURE(make(2, milliseconds(20'000)));
  std::atomic<bool> over = false;
  std::thread asker([&] {
    bool failed = false;
    while (!over) {
      const bool ok = (*this)[0].error().ok();
      EXPECT_FALSE(ok && failed) << "an error went away";
      failed |= !ok;
    }
  });
  std::thread aborter([&] {
    std::this_thread::sleep_for(milliseconds(50));
    EXPECT_TRUE((*this)[1].abort().ok());
  });
  run(2, [&](int rank) { EXPECT_EQ(operate(rank).status.code(), Errc::kAborted); });
  over = true;
  aborter.join();
  asker.join();
}

INSTANTIATE_TEST_SUITE_P(Faults, FailingCalls, testing::ValuesIn(kStreams),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace sluice::test
