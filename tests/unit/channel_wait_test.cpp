// Waits end: with the word, the deadline, an abort or a contradiction. Doorbells wake who sleeps.
#include "channel/wait.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "channel/doorbell.hpp"
#include "channel/patience.hpp"
#include "memory_child.hpp"

namespace sluice {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

milliseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

/// A rank's words, with and without a bed to sleep in.
struct Rank {
  explicit Rank(bool sleeps, std::uint64_t timeout_ms) {
    prepare_doorbells();
    waits.timeout_ns = timeout_ms * 1'000'000;
    if (sleeps) {
      waits.doorbell = &doorbell;
      waits.sleepers = &sleepers;
    }
  }
  void raise(std::uint64_t value) {
    port::store_release(&word, value);
    ring(doorbell);
  }
  WaitState waits;
  Doorbell doorbell;
  std::uint64_t sleepers = 0;
  std::uint64_t word = 0;
};

class ChannelWait : public testing::TestWithParam<bool> {};

TEST_P(ChannelWait, returns_what_it_saw_when_the_word_is_there) {
  Rank rank(GetParam(), 10'000);
  rank.word = 7;
  EXPECT_EQ(wait_at_least(rank.waits, &rank.word, 5, 1), 7u);
  std::thread raiser([&] {
    std::this_thread::sleep_for(milliseconds(30));
    rank.raise(9);
  });
  EXPECT_EQ(wait_at_least(rank.waits, &rank.word, 8, 1), 9u);
  raiser.join();
  EXPECT_EQ(rank.waits.failed, 0u);
  EXPECT_EQ(rank.sleepers, 0u);
}

TEST_P(ChannelWait, ends_at_its_deadline_and_says_whom_it_waited_for) {
  Rank rank(GetParam(), 60);
  rank.word = 3;
  const auto start = Clock::now();
  EXPECT_EQ(wait_at_least(rank.waits, &rank.word, 4, 2), 3u);
  EXPECT_GE(since(start), milliseconds(59));
  EXPECT_LT(since(start), milliseconds(2000));
  EXPECT_EQ(rank.waits.failed, 1u);
  EXPECT_EQ(rank.waits.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(rank.waits.failure.peer, 2);
  EXPECT_EQ(rank.waits.failure.expected, 4u);
  EXPECT_EQ(rank.waits.failure.seen, 3u);
}

TEST_P(ChannelWait, ends_when_the_abort_word_is_set) {
  Rank rank(GetParam(), 30'000);
  std::thread aborter([&] {
    std::this_thread::sleep_for(milliseconds(20));
    port::store_release(&rank.waits.abort_word, 1);
    ring(rank.doorbell);
  });
  const auto start = Clock::now();
  EXPECT_EQ(wait_at_least(rank.waits, &rank.word, 1, 0), 0u);
  EXPECT_LT(since(start), milliseconds(5000));
  aborter.join();
  EXPECT_EQ(rank.waits.failure.outcome, WaitOutcome::kAborted);
}

TEST_P(ChannelWait, the_first_failure_stays_and_later_waits_return_at_once) {
  Rank rank(GetParam(), 20);
  wait_at_least(rank.waits, &rank.word, 1, 4);
  rank.waits.timeout_ns = 30'000'000'000;
  const auto start = Clock::now();
  for (int peer = 0; peer < 100; ++peer)
    EXPECT_LT(wait_at_least(rank.waits, &rank.word, 9, peer), 9u);
  record_failure(rank.waits, WaitOutcome::kMismatch, 5, 6, 7);
  EXPECT_LT(since(start), milliseconds(5000));
  EXPECT_EQ(rank.waits.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(rank.waits.failure.peer, 4);
  rank.word = 9;
  EXPECT_EQ(wait_at_least(rank.waits, &rank.word, 9, 0), 9u) << "what is there may still be read";
}

TEST_P(ChannelWait, asks_whether_the_peer_contradicts) {
  struct Asked {
    int times = 0;
    int peer = -1;
  } asked;
  Rank rank(GetParam(), 30'000);
  rank.waits.context = &asked;
  rank.waits.contradicts = [](void* context, std::int32_t peer) {
    auto& it = *static_cast<Asked*>(context);
    it.peer = peer;
    return ++it.times == 3;
  };
  const auto start = Clock::now();
  EXPECT_EQ(wait_at_least(rank.waits, &rank.word, 1, 6), 0u);
  EXPECT_LT(since(start), milliseconds(5000));
  EXPECT_EQ(asked.times, 3);
  EXPECT_EQ(asked.peer, 6);
  EXPECT_EQ(rank.waits.failure.outcome, WaitOutcome::kMismatch);
}

/// What kernels wait with; nothing in it needs one.
TEST(ChannelWaitByClock, returns_what_it_saw) {
  Rank rank(false, 10'000);
  std::thread raiser([&] {
    std::this_thread::sleep_for(milliseconds(10));
    rank.raise(9);
  });
  EXPECT_EQ(wait_by_clock(rank.waits, &rank.word, 8, 1), 9u);
  raiser.join();
  EXPECT_EQ(rank.waits.failed, 0u);
}

TEST(ChannelWaitByClock, ends_at_its_deadline) {
  Rank rank(false, 60);
  rank.word = 3;
  const auto start = Clock::now();
  EXPECT_EQ(wait_by_clock(rank.waits, &rank.word, 4, 2), 3u);
  EXPECT_GE(since(start), milliseconds(59));
  EXPECT_LT(since(start), milliseconds(2000));
  EXPECT_EQ(rank.waits.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(rank.waits.failure.peer, 2);
  EXPECT_EQ(rank.waits.failure.expected, 4u);
  EXPECT_EQ(rank.waits.failure.seen, 3u);
}

TEST(ChannelWaitByClock, ends_with_either_abort_word_and_with_a_failure_of_another_thread) {
  for (const int which : {0, 1, 2}) {
    Rank rank(false, 30'000);
    std::uint64_t host_abort_word = 0;
    rank.waits.host_abort_word = &host_abort_word;
    const auto start = Clock::now();
    std::thread other([&] {
      std::this_thread::sleep_for(milliseconds(10));
      if (which == 0) port::store_release(&rank.waits.abort_word, 1);
      if (which == 1) port::store_release(&host_abort_word, 1);
      if (which == 2) record_failure(rank.waits, WaitOutcome::kOutOfRange, 5, 6, 7);
    });
    EXPECT_EQ(wait_by_clock(rank.waits, &rank.word, 1, 0), 0u);
    other.join();
    EXPECT_LT(since(start), milliseconds(5000));
    EXPECT_EQ(rank.waits.failure.outcome,
              which == 2 ? WaitOutcome::kOutOfRange : WaitOutcome::kAborted);
  }
}

INSTANTIATE_TEST_SUITE_P(Channel, ChannelWait, testing::Bool(), [](const auto& bed) {
  return bed.param ? "with_doorbell" : "without_doorbell";
});

TEST(ChannelPatience, progress_starts_the_deadline_anew) {
  Rank rank(false, 80);
  Patience patience(rank.waits, 1);
  const auto start = Clock::now();
  for (int step = 0; step < 4; ++step) {
    for (const auto begin = Clock::now(); since(begin) < milliseconds(30);)
      ASSERT_TRUE(patience.rest(&rank.word, 1)) << since(start).count() << " ms";
    patience.progress(2);
  }
  EXPECT_GE(since(start), milliseconds(100));
  while (patience.rest(&rank.word, 1)) {
  }
  EXPECT_EQ(rank.waits.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(rank.waits.failure.peer, 2) << "the one waited for last";
}

TEST(ChannelPatience, an_abort_ends_it) {
  Rank rank(true, 30'000);
  rank.waits.abort_word = 1;
  Patience patience(rank.waits, 3);
  EXPECT_FALSE(patience.rest(&rank.word, 1));
  EXPECT_EQ(rank.waits.failure.outcome, WaitOutcome::kAborted);
  EXPECT_EQ(rank.waits.failure.peer, 3);
}

// What a peer sends must not lie until it is waited for: another wait may need room that it takes.
TEST(ChannelPatience, who_waits_for_one_peer_looks_at_all_now_and_then) {
  for (const std::uint32_t spins : {4000u, 32u}) {  // with a core for itself, and without
    Rank rank(false, 30'000);
    std::vector<TakeIn> looks;
    rank.waits.spins = spins;
    rank.waits.context = &looks;
    rank.waits.take_in = [](void* context, std::int32_t peer, TakeIn how) {
      static_cast<std::vector<TakeIn>*>(context)->push_back(how);
      return peer == 5;
    };
    Patience patience(rank.waits, 5);
    for (int look = 0; look < 24; ++look) ASSERT_TRUE(patience.rest(&rank.word, 1));
    ASSERT_EQ(looks.size(), 24u);
    EXPECT_EQ(looks.front(), TakeIn::kFromPeer) << "the quickest look comes first";
    EXPECT_EQ(std::count(looks.begin(), looks.end(), TakeIn::kFromAll), spins == 32 ? 12 : 3);
    EXPECT_EQ(std::count(looks.begin(), looks.end(), TakeIn::kAsleep), 0);
  }
}

/// The median of how long `sleeps` takes, over an odd number of rounds.
template <class Sleep>
milliseconds median_of(int rounds, Sleep sleeps) {
  std::vector<milliseconds> times;
  for (int i = 0; i < rounds; ++i) {
    const auto start = Clock::now();
    sleeps(i);
    times.push_back(since(start));
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

bool sleeping(Doorbell& bell) { return std::atomic_ref<std::uint32_t>(bell.sleeping).load() != 0; }

TEST(ChannelDoorbell, nobody_sleeps_longer_than_ten_milliseconds) {
  Rank rank(true, 1000);
  const auto start = Clock::now();
  sleep_on(rank.doorbell, &rank.sleepers, &rank.word, 1);
  EXPECT_GE(since(start), milliseconds(9));
  EXPECT_LT(since(start), milliseconds(2000));
  EXPECT_EQ(rank.sleepers, 0u);
}

TEST(ChannelDoorbell, nobody_sleeps_when_the_word_is_there) {
  Rank rank(true, 1000);
  rank.word = 1;
  EXPECT_LT(median_of(21, [&](int) { sleep_on(rank.doorbell, &rank.sleepers, &rank.word, 1); }),
            milliseconds(8));
}

TEST(ChannelDoorbell, a_ring_wakes_the_sleeper_before_its_timer) {
  Rank rank(true, 1000);
  constexpr int kRounds = 41;
  std::atomic<int> wanted = 0;
  std::thread ringer([&] {
    for (int i = 0; i < kRounds; ++i) {
      while (wanted.load() <= i || !sleeping(rank.doorbell)) std::this_thread::yield();
      rank.raise(static_cast<std::uint64_t>(i) + 1);
    }
  });
  const auto median = median_of(kRounds, [&](int i) {
    wanted = i + 1;
    const std::uint64_t target = static_cast<std::uint64_t>(i) + 1;
    while (port::load_acquire(&rank.word) < target)
      sleep_on(rank.doorbell, &rank.sleepers, &rank.word, target);
  });
  ringer.join();
  EXPECT_LT(median, milliseconds(8));
  EXPECT_EQ(rank.sleepers, 0u);
}

TEST(ChannelDoorbell, a_ring_wakes_a_sleeper_of_another_process) {
  void* shared =
      mmap(nullptr, sizeof(Rank), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  auto& rank = *new (shared) Rank(true, 1000);
  constexpr std::uint64_t kRounds = 41;
  test::Child child([&](test::Line& parent) {
    prepare_doorbells();
    const auto median = median_of(kRounds, [&](int i) {
      const std::uint64_t target = static_cast<std::uint64_t>(i) + 1;
      while (port::load_acquire(&rank.word) < target)
        sleep_on(rank.doorbell, &rank.sleepers, &rank.word, target);
    });
    return parent.send(std::to_string(median.count())) && parent.receive() == "bye";
  });
  const auto start = Clock::now();
  for (std::uint64_t i = 1; i <= kRounds; ++i) {
    while (!sleeping(rank.doorbell) && since(start) < milliseconds(20'000))
      std::this_thread::yield();
    rank.raise(i);
    while (sleeping(rank.doorbell) && since(start) < milliseconds(20'000))
      std::this_thread::yield();
  }
  const std::string median = child.line().receive();
  ASSERT_FALSE(median.empty());
  EXPECT_LT(std::stoi(median), 8);
  child.line().send("bye");
  EXPECT_TRUE(child.wait());
  munmap(shared, sizeof(Rank));
}

}  // namespace
}  // namespace sluice
