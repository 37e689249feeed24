// Semaphore and MemoryChannel: counted signals, checked ranges.
#include "channel/memory_channel.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <type_traits>
#include <vector>

namespace sluice {
namespace {

static_assert(std::is_trivially_copyable_v<Semaphore>);
static_assert(std::is_trivially_copyable_v<MemoryChannel>);

constexpr std::uint64_t kMax = ~0ull;
constexpr HostThread kThread;

/// Two ends of one semaphore.
struct SemaphorePair {
  std::uint64_t counters[4] = {};
  Semaphore ends[2] = {{&counters[0], &counters[1], &counters[2], 1},
                       {&counters[1], &counters[0], &counters[3], 0}};
};

WaitState waits_for_ms(std::uint64_t ms) {
  WaitState waits;
  waits.timeout_ns = ms * 1'000'000;
  return waits;
}

TEST(ChannelSemaphore, poll_takes_what_is_there_and_no_more) {
  SemaphorePair pair;
  const auto& [a, b] = pair.ends;
  EXPECT_FALSE(b.poll());
  a.signal();
  a.signal(2);
  EXPECT_FALSE(b.poll(4));
  EXPECT_TRUE(b.poll(2));
  EXPECT_TRUE(b.poll());
  EXPECT_FALSE(b.poll());
  EXPECT_FALSE(a.poll()) << "a signal came back to its sender";
}

TEST(ChannelSemaphore, wait_takes_n_signals_and_fails_without_them) {
  SemaphorePair pair;
  const auto& [a, b] = pair.ends;
  auto waits = waits_for_ms(20);
  a.signal(5);
  EXPECT_TRUE(b.wait(waits, 3));
  EXPECT_TRUE(b.wait(waits, 2));
  EXPECT_FALSE(b.wait(waits));
  EXPECT_EQ(waits.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(waits.failure.expected, 6u);
  EXPECT_EQ(waits.failure.seen, 5u);
  EXPECT_EQ(waits.failure.peer, 0);
  a.signal();
  EXPECT_TRUE(b.poll()) << "a wait that failed must not have taken anything";
}

TEST(ChannelSemaphore, no_signal_is_lost_between_threads) {
  constexpr std::uint64_t kSignals = 20'000;
  SemaphorePair pair;
  std::thread sender([&] {
    for (std::uint64_t i = 0; i < kSignals; ++i) pair.ends[0].signal(i % 3 + 1);
  });
  auto waits = waits_for_ms(20'000);
  bool all = true;
  for (std::uint64_t i = 0; i < kSignals && all; ++i)
    all = pair.ends[1].wait(waits, (kSignals - 1 - i) % 3 + 1);
  sender.join();
  EXPECT_TRUE(all);
  EXPECT_FALSE(pair.ends[1].poll());
}

/// Two ranks' memory, each between guards, and the channel from rank 0 to rank 1.
class ChannelMemory : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = 1024, kGuard = 256;
  static constexpr std::byte kMine{0x11}, kTheirs{0x22}, kGuarded{0x33};

  ChannelMemory() {
    for (auto* memory : {&mine_, &theirs_}) memory->assign(kBytes + 2 * kGuard, kGuarded);
    std::fill_n(base(mine_), kBytes, kMine);
    std::fill_n(base(theirs_), kBytes, kTheirs);
    channel_ = {.local = {base(mine_), kBytes},
                .remote = {base(theirs_), kBytes},
                .semaphore = semaphores_.ends[0],
                .waits = &waits_};
  }
  static std::byte* base(std::vector<std::byte>& memory) {
    // Lines of packets must lie on lines.
    const auto address = reinterpret_cast<std::uintptr_t>(memory.data()) + 64;
    return memory.data() + (64 - address % 64) % 64 + 64;
  }
  void expect_refused(bool done, const char* what, std::uint64_t remote, std::uint64_t local,
                      std::uint64_t bytes) {
    EXPECT_FALSE(done) << what << " " << remote << ", " << local << ", " << bytes;
    EXPECT_EQ(waits_.failed, 1u);
    EXPECT_EQ(waits_.failure.outcome, WaitOutcome::kOutOfRange);
    EXPECT_EQ(waits_.failure.expected, kBytes);
    EXPECT_EQ(waits_.failure.peer, 1);
    waits_ = waits_for_ms(20);
  }
  void expect_untouched() {
    for (auto* memory : {&mine_, &theirs_}) {
      const auto offset = static_cast<std::uint64_t>(base(*memory) - memory->data());
      for (std::uint64_t i = 0; i < memory->size(); ++i) {
        const bool inside = i >= offset && i < offset + kBytes;
        ASSERT_EQ((*memory)[i], !inside ? kGuarded : memory == &mine_ ? kMine : kTheirs) << i;
      }
    }
  }

  std::vector<std::byte> mine_, theirs_;
  SemaphorePair semaphores_;
  WaitState waits_ = waits_for_ms(20);
  MemoryChannel channel_;
};

TEST_F(ChannelMemory, ranges_that_leave_a_window_move_nothing_and_are_recorded) {
  struct Bad {
    std::uint64_t remote, local, bytes;
  };
  for (const auto& [remote, local, bytes] :
       {Bad{0, 0, kBytes + 1}, Bad{1, 0, kBytes}, Bad{0, 1, kBytes}, Bad{kBytes, 0, 1},
        Bad{0, kBytes, 1}, Bad{kBytes + 1, 0, 0}, Bad{0, kBytes + 1, 0}, Bad{kMax, 0, 1},
        Bad{0, kMax, 1}, Bad{1, 0, kMax}, Bad{0, 1, kMax}, Bad{0, 0, kMax}, Bad{kMax, kMax, kMax},
        Bad{kMax - 7, 0, 8}, Bad{0, kMax - 7, 16}}) {
    expect_refused(channel_.put(kThread, remote, local, bytes), "put", remote, local, bytes);
    expect_refused(channel_.get(kThread, local, remote, bytes), "get", remote, local, bytes);
  }
  expect_untouched();
}

TEST_F(ChannelMemory, packets_that_leave_a_window_or_their_lines_are_refused) {
  expect_refused(channel_.put_packets(kThread, 8, 0, 8, 1), "misaligned", 8, 0, 8);
  expect_refused(channel_.put_packets(kThread, kBytes, 0, 0, 1), "one line behind the end", kBytes,
                 0, 0);
  expect_refused(channel_.put_packets(kThread, kBytes - 64, 0, 57, 1), "two lines where one is",
                 kBytes - 64, 0, 57);
  expect_refused(channel_.put_packets(kThread, kMax - 63, 0, 8, 1), "overflow", kMax - 63, 0, 8);
  expect_refused(channel_.put_packets(kThread, 0, 0, kMax, 1), "overflow of lines", 0, 0, kMax);
  expect_refused(channel_.put_packets(kThread, 0, kBytes - 7, 8, 1), "local", 0, kBytes - 7, 8);
  expect_refused(channel_.receive_packets(kThread, 0, 8, 8, 1), "misaligned", 0, 8, 8);
  expect_refused(channel_.receive_packets(kThread, 0, kBytes, 8, 1), "behind the end", 0, kBytes,
                 8);
  expect_refused(channel_.receive_packets(kThread, 0, 0, kMax, 1), "overflow of lines", 0, 0, kMax);
  expect_refused(channel_.receive_packets(kThread, kBytes - 7, 0, 8, 1), "local", kBytes - 7, 0, 8);
  expect_untouched();
}

TEST_F(ChannelMemory, the_first_and_the_last_bytes_of_a_window_can_be_used) {
  EXPECT_TRUE(channel_.put(kThread, kBytes - 1, 0, 1));
  EXPECT_EQ(base(theirs_)[kBytes - 1], kMine);
  EXPECT_EQ(base(theirs_)[kBytes - 2], kTheirs);
  EXPECT_TRUE(channel_.get(kThread, 0, 0, 1));
  EXPECT_EQ(base(mine_)[0], kTheirs);
  EXPECT_TRUE(channel_.put(kThread, kBytes, kBytes, 0));
  EXPECT_TRUE(channel_.put(kThread, 0, 0, kBytes));
  EXPECT_TRUE(channel_.put_packets(kThread, kBytes - 64, 0, 56, 1));
  EXPECT_EQ(waits_.failed, 0u);
  for (std::uint64_t i = 0; i < 64; ++i) EXPECT_EQ(mine_[i], kGuarded);
}

TEST_F(ChannelMemory, packets_signals_and_waits_reach_the_peer) {
  WaitState their_waits = waits_for_ms(20);
  const MemoryChannel theirs{.local = channel_.remote,
                             .remote = channel_.local,
                             .semaphore = semaphores_.ends[1],
                             .waits = &their_waits};
  ASSERT_TRUE(channel_.put_packets(kThread, 512, 0, 100, 3));
  ASSERT_TRUE(theirs.receive_packets(kThread, 0, 512, 100, 3));
  EXPECT_EQ(base(theirs_)[99], kMine);
  EXPECT_EQ(base(theirs_)[100], kTheirs);
  EXPECT_FALSE(theirs.poll());
  channel_.signal(kThread);
  channel_.signal(kThread);
  EXPECT_TRUE(theirs.wait(kThread));
  EXPECT_TRUE(theirs.poll());
  EXPECT_FALSE(theirs.wait(kThread));
  EXPECT_FALSE(theirs.receive_packets(kThread, 0, 512, 100, 4)) << "a failed rank must not go on";
}

}  // namespace
}  // namespace sluice
