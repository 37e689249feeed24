// PortChannel over a port made here: what reaches the port, and what must not.
#include "channel/port_channel.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <type_traits>
#include <vector>

namespace sluice {
namespace {

constexpr std::uint64_t kMax = ~0ull;

/// Takes requests, carries them out when told to, in order.
class HeldPort {
 public:
  HeldPort(Window local, Window remote, std::uint64_t* counter)
      : local_(local), remote_(remote), counter_(counter) {}

  bool post(std::span<const PutRequest> requests, bool signal) noexcept {
    if (broken) return false;
    posted_.push_back({{requests.begin(), requests.end()}, signal});
    return true;
  }
  bool flush() noexcept {
    while (carry_out_one()) {
    }
    return !broken;
  }
  bool carry_out_one() {
    if (posted_.empty()) return false;
    for (const PutRequest& put : posted_.front().puts)
      std::memcpy(remote_.base + put.remote_offset, local_.base + put.local_offset, put.bytes);
    if (posted_.front().signal) port::add_release(counter_, 1);
    posted_.erase(posted_.begin());
    return true;
  }
  std::size_t waiting() const { return posted_.size(); }
  bool broken = false;

 private:
  struct Posted {
    std::vector<PutRequest> puts;
    bool signal;
  };
  Window local_, remote_;
  std::uint64_t* counter_;
  std::vector<Posted> posted_;
};
static_assert(Port<HeldPort>);
static_assert(std::is_trivially_copyable_v<PortChannel<HeldPort>>);

class ChannelPort : public testing::Test {
 protected:
  static constexpr std::uint64_t kBytes = 256;
  std::vector<std::byte> mine_ = std::vector<std::byte>(kBytes, std::byte{1});
  std::vector<std::byte> theirs_ = std::vector<std::byte>(kBytes, std::byte{2});
  std::uint64_t counters_[3] = {};
  WaitState waits_{.timeout_ns = 20'000'000};
  HeldPort port_{{mine_.data(), kBytes}, {theirs_.data(), kBytes}, &counters_[0]};
  // Signals come back to this rank, so that it can wait for its own.
  PortChannel<HeldPort> channel_{.local = {mine_.data(), kBytes},
                                 .remote = {nullptr, kBytes},  // never dereferenced
                                 .semaphore = {&counters_[0], &counters_[1], &counters_[2], 4},
                                 .waits = &waits_,
                                 .port = &port_};
};

TEST_F(ChannelPort, offsets_are_checked_before_the_port_sees_them) {
  struct Bad {
    std::uint64_t remote, local, bytes;
  };
  for (const auto& [remote, local, bytes] :
       {Bad{kBytes, 0, 1}, Bad{0, kBytes, 1}, Bad{0, 0, kBytes + 1}, Bad{kMax, 0, 1},
        Bad{0, kMax, 1}, Bad{1, 0, kMax}, Bad{0, 1, kMax}, Bad{kBytes + 1, 0, 0}}) {
    waits_.failed = 0;
    EXPECT_FALSE(channel_.put(remote, local, bytes));
    EXPECT_FALSE(channel_.put_signal(remote, local, bytes));
    EXPECT_EQ(waits_.failed, 1u);
    EXPECT_EQ(waits_.failure.outcome, WaitOutcome::kOutOfRange);
    EXPECT_EQ(waits_.failure.peer, 4);
    EXPECT_EQ(waits_.failure.expected, kBytes);
  }
  EXPECT_EQ(port_.waiting(), 0u);
}

TEST_F(ChannelPort, a_batch_goes_whole_or_not_at_all) {
  const std::vector<PutRequest> good = {{0, 0, 8}, {kBytes - 8, 8, 8}};
  std::vector<PutRequest> bad = good;
  bad.push_back({kBytes - 7, 0, 8});
  EXPECT_FALSE(channel_.put_batch(bad, true));
  EXPECT_EQ(port_.waiting(), 0u);
  EXPECT_TRUE(channel_.flush());
  EXPECT_EQ(theirs_[0], std::byte{2});
  EXPECT_TRUE(channel_.put_batch(good, true));
  EXPECT_EQ(port_.waiting(), 1u);
  EXPECT_TRUE(channel_.flush());
  EXPECT_EQ(theirs_[0], std::byte{1});
  EXPECT_EQ(theirs_[8], std::byte{2});
  EXPECT_EQ(theirs_[kBytes - 1], std::byte{1});
  EXPECT_TRUE(channel_.poll());
}

TEST_F(ChannelPort, the_signal_comes_after_the_puts) {
  ASSERT_TRUE(channel_.put(0, 0, 16));
  ASSERT_TRUE(channel_.put_signal(16, 16, 16));
  ASSERT_TRUE(channel_.signal());
  ASSERT_TRUE(port_.carry_out_one());
  EXPECT_FALSE(channel_.poll());
  ASSERT_TRUE(port_.carry_out_one());
  EXPECT_TRUE(channel_.poll());
  EXPECT_EQ(theirs_[31], std::byte{1});
  EXPECT_FALSE(channel_.poll());
  ASSERT_TRUE(port_.carry_out_one());
  EXPECT_TRUE(channel_.wait());
  EXPECT_FALSE(channel_.wait());
  EXPECT_EQ(waits_.failure.outcome, WaitOutcome::kTimeout);
}

TEST_F(ChannelPort, what_the_port_refuses_is_refused) {
  port_.broken = true;
  EXPECT_FALSE(channel_.put(0, 0, 1));
  EXPECT_FALSE(channel_.signal());
  EXPECT_FALSE(channel_.flush());
}

}  // namespace
}  // namespace sluice
