// put, get, signal, flush: what every transport does alike.
#include <thread>

#include "conformance.hpp"

namespace sluice::conformance {
namespace {

template <class T>
class DataPath : public Transports<T> {};
TYPED_TEST_SUITE(DataPath, AllTransports, TransportName);

TYPED_TEST(DataPath, memory_begins_zeroed) {
  EXPECT_TRUE(holds(this->window_.base, this->kBytes, std::byte{0}));
  std::vector<std::byte> read(this->kBytes, std::byte{1});
  ASSERT_TRUE(this->peer_->get(*this->remote_, 0, read).ok());
  EXPECT_TRUE(holds(read.data(), read.size(), std::byte{0}));
}

TYPED_TEST(DataPath, puts_and_gets_reach_the_edges_and_nothing_beside) {
  const std::uint64_t end = this->kBytes;
  for (const auto& [offset, bytes] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 1},
                                                            {0, 8},
                                                            {1, 7},
                                                            {63, 66},
                                                            {4095, 2},
                                                            {end - 1, 1},
                                                            {end - 9, 9},
                                                            {1, end - 1},
                                                            {0, end - 1},
                                                            {0, end}}) {
    this->fill(std::byte{0xaa});
    const auto source = pattern(bytes, offset);
    ASSERT_TRUE(this->peer_->put(*this->remote_, offset, source).ok()) << offset << "+" << bytes;
    ASSERT_TRUE(this->peer_->flush(*this->remote_).ok());
    // A get follows what this peer put before, also where puts have no order.
    std::vector<std::byte> read(bytes);
    ASSERT_TRUE(this->peer_->get(*this->remote_, offset, read).ok());
    EXPECT_EQ(read, source) << offset << "+" << bytes;
    EXPECT_TRUE(std::equal(source.begin(), source.end(), this->window_.base + offset));
    EXPECT_TRUE(holds(this->window_.base, offset, std::byte{0xaa}));
    EXPECT_TRUE(holds(this->window_.base + offset + bytes, end - offset - bytes, std::byte{0xaa}));
  }
}

TYPED_TEST(DataPath, gets_see_what_the_owner_writes) {
  const auto written = pattern(this->kBytes, 5);
  std::copy(written.begin(), written.end(), this->window_.base);
  std::vector<std::byte> read(this->kBytes);
  ASSERT_TRUE(this->peer_->get(*this->remote_, 0, read).ok());
  EXPECT_EQ(read, written);
}

TYPED_TEST(DataPath, nothing_may_be_moved_anywhere_inside) {
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{1}, this->kBytes - 1, this->kBytes}) {
    EXPECT_TRUE(this->peer_->put(*this->remote_, offset, {}).ok()) << offset;
    EXPECT_TRUE(this->peer_->get(*this->remote_, offset, {}).ok()) << offset;
  }
  EXPECT_EQ(this->peer_->put(*this->remote_, this->kBytes + 1, {}).code(), Errc::kInvalidArgument);
}

TYPED_TEST(DataPath, out_of_range_is_refused_and_moves_nothing) {
  const auto bytes = pattern(this->kBytes + 1, 3);
  this->fill(std::byte{0x55});
  for (const auto& [offset, length] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {0, this->kBytes + 1},
           {1, this->kBytes},
           {this->kBytes - 1, 2},
           {this->kBytes, 1},
           {this->kBytes + 1, 1},
           {this->kMax, 1},
           {this->kMax, this->kBytes},
           {this->kMax - 7, 8},
           {this->kMax - 7, 16},
           {this->kMax / 2 + 1, 1},
           {this->kMax - this->kBytes + 1, this->kBytes}}) {
    EXPECT_EQ(this->peer_->put(*this->remote_, offset, std::span(bytes).first(length)).code(),
              Errc::kInvalidArgument)
        << offset << "+" << length;
    std::vector<std::byte> read(length, std::byte{0x77});
    EXPECT_EQ(this->peer_->get(*this->remote_, offset, read).code(), Errc::kInvalidArgument)
        << offset << "+" << length;
    EXPECT_TRUE(holds(read.data(), length, std::byte{0x77}));
  }
  ASSERT_TRUE(this->peer_->flush(*this->remote_).ok());
  EXPECT_TRUE(holds(this->window_.base, this->kBytes, std::byte{0x55}));
}

TYPED_TEST(DataPath, signals_add_up) {
  const std::byte* counter = this->window_.base + this->kBytes - 8;
  for (const std::uint64_t n : {1ull, 0ull, 5ull, 1ull << 40}) {
    ASSERT_TRUE(this->peer_->signal(*this->remote_, this->kBytes - 8, n).ok());
  }
  EXPECT_TRUE(arrives(counter, (1ull << 40) + 6));
  EXPECT_EQ(counter_at(counter), (1ull << 40) + 6);
  EXPECT_TRUE(holds(this->window_.base, this->kBytes - 8, std::byte{0}));
}

TYPED_TEST(DataPath, a_signal_off_its_eight_bytes_or_its_region_is_refused) {
  const std::uint64_t end = this->kBytes;
  for (const std::uint64_t offset :
       {std::uint64_t{1}, std::uint64_t{4}, std::uint64_t{7}, end - 7, end - 4, end, end + 8,
        this->kMax, this->kMax - 7, this->kMax / 2 + 1})
    EXPECT_EQ(this->peer_->signal(*this->remote_, offset, 1).code(), Errc::kInvalidArgument)
        << offset;
  EXPECT_TRUE(holds(this->window_.base, end, std::byte{0}));
}

TYPED_TEST(DataPath, what_was_put_before_a_signal_is_there_when_the_signal_is) {
  constexpr std::uint64_t kRounds = 10'000, kPuts = 4, kPutBytes = 128;
  std::atomic<std::uint64_t> read_up_to = 0;
  std::thread sender([&] {
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      const std::vector<std::byte> bytes(kPutBytes, static_cast<std::byte>(round));
      for (std::uint64_t put = 0; put < kPuts; ++put)
        EXPECT_TRUE(this->peer_->put(*this->remote_, 64 + put * kPutBytes, bytes).ok());
      EXPECT_TRUE(this->peer_->signal(*this->remote_, 0, 1).ok());
      while (read_up_to.load(std::memory_order_acquire) < round) std::this_thread::yield();
    }
  });
  std::uint64_t late = 0;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    const bool there = arrives(this->window_.base, round);
    late +=
        !there || !holds(this->window_.base + 64, kPuts * kPutBytes, static_cast<std::byte>(round));
    read_up_to.store(round, std::memory_order_release);
  }
  sender.join();
  EXPECT_EQ(late, 0u) << "rounds whose data came after their signal";
}

TYPED_TEST(DataPath, ordered_puts_arrive_in_order) {
  if constexpr ((TypeParam::kCapabilities & kOrdered) == 0) {
    GTEST_SKIP() << TypeParam::kName << " gives no order";
  } else {
    constexpr std::uint64_t kRounds = 2000;
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      const auto* bytes = reinterpret_cast<const std::byte*>(&round);
      ASSERT_TRUE(this->peer_->put(*this->remote_, 0, {bytes, 8}).ok());
      ASSERT_TRUE(this->peer_->put(*this->remote_, 0, {bytes, 8}).ok());
    }
    ASSERT_TRUE(this->peer_->signal(*this->remote_, 8, 1).ok());
    ASSERT_TRUE(arrives(this->window_.base + 8, 1));
    EXPECT_EQ(counter_at(this->window_.base), kRounds);
  }
}

TYPED_TEST(DataPath, several_threads_put_to_disjoint_ranges) {
  constexpr std::uint64_t kThreads = 4, kRounds = 500;
  const std::uint64_t share =
      (this->kBytes - 64) / kThreads - 3;  // odd, so that ranges meet inside lines
  // A signal says what has come, not what comes later: without order between puts the one before
  // may be the last to arrive, so all of a thread's bring the same.
  constexpr bool kInOrder = (TypeParam::kCapabilities & kOrdered) != 0;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t round = 0; round < kRounds; ++round) {
        const std::uint64_t content = t + (kInOrder ? round : kRounds - 1);
        EXPECT_TRUE(this->peer_->put(*this->remote_, 64 + t * share, pattern(share, content)).ok());
        EXPECT_TRUE(this->peer_->signal(*this->remote_, 0, 1).ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(arrives(this->window_.base, kThreads * kRounds));
  EXPECT_EQ(counter_at(this->window_.base), kThreads * kRounds);
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    const auto last = pattern(share, t + kRounds - 1);
    EXPECT_TRUE(std::equal(last.begin(), last.end(), this->window_.base + 64 + t * share)) << t;
  }
}

TYPED_TEST(DataPath, mapped_memory_is_the_same_memory) {
  if constexpr ((TypeParam::kCapabilities & kMapped) == 0) {
    GTEST_SKIP() << TypeParam::kName << " does not map";
  } else {
    const Window mapped = TypeParam::map(*this->remote_);
    ASSERT_EQ(mapped.bytes, this->kBytes);
    mapped.base[this->kBytes - 1] = std::byte{9};
    EXPECT_EQ(this->window_.base[this->kBytes - 1], std::byte{9});
    this->window_.base[0] = std::byte{8};
    EXPECT_EQ(mapped.base[0], std::byte{8});
  }
}

}  // namespace
}  // namespace sluice::conformance
