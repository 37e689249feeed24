// SwitchChannel over a double of the switch, which adds in memory.
#include "channel/switch_channel.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <type_traits>
#include <vector>

#include "compute/element.hpp"
#include "support/host_team.hpp"

namespace sluice {
namespace {

using port::Vector16;
using test::HostTeam;
using test::TeamBarrier;

/// Addresses are those of the first member; the others' follow from their distance to its base.
struct DoubleSwitch {
  static constexpr bool kPresent = true;
  std::byte* const* members = nullptr;
  unsigned count = 0;

  Vector16 add(DataType type, const std::byte* from) const {
    if (type == DataType::kFloat16) return sum<compute::Float16>(from);
    if (type == DataType::kBfloat16) return sum<compute::Bfloat16>(from);
    return sum<compute::Float32>(from);
  }
  void store(std::byte* to, const Vector16& value) const {
    for (unsigned m = 0; m < count; ++m) port::store_aligned(members[m] + (to - members[0]), value);
  }

 private:
  template <class Element>
  Vector16 sum(const std::byte* from) const {
    using Stored = typename Element::Stored;
    constexpr unsigned kElems = sizeof(Vector16) / sizeof(Stored);
    float sums[kElems] = {};
    for (unsigned m = 0; m < count; ++m)
      for (unsigned e = 0; e < kElems; ++e) {
        Stored stored;
        std::memcpy(&stored, members[m] + (from - members[0]) + e * sizeof stored, sizeof stored);
        sums[e] += Element::widen(stored);
      }
    Stored narrow[kElems];
    for (unsigned e = 0; e < kElems; ++e) narrow[e] = Element::narrow(sums[e]);
    Vector16 result;
    std::memcpy(&result, narrow, sizeof result);
    return result;
  }
};
static_assert(Switch<DoubleSwitch>);
static_assert(std::is_trivially_copyable_v<SwitchChannel<>>);
static_assert(!Multimem::kPresent, "the host has no multimem");

constexpr unsigned kRanks = 3;
constexpr std::uint64_t kBytes = 1024;

struct alignas(16) Room {
  std::byte bytes[kBytes];
};

class SwitchChannelTest : public testing::Test {
 protected:
  SwitchChannelTest() {
    for (unsigned r = 0; r < kRanks; ++r) members_[r] = rooms_[r].bytes;
  }
  SwitchChannel<DoubleSwitch> channel() {
    return {{members_[0], kBytes}, &waits_, 2, {members_, kRanks}};
  }
  template <class Element>
  void fill(float (*value)(unsigned rank, unsigned i)) {
    for (unsigned r = 0; r < kRanks; ++r)
      for (unsigned i = 0; i < kBytes / sizeof(typename Element::Stored); ++i) {
        const typename Element::Stored stored = Element::narrow(value(r, i));
        std::memcpy(members_[r] + i * sizeof stored, &stored, sizeof stored);
      }
  }

  Room rooms_[kRanks] = {};
  std::byte* members_[kRanks];
  WaitState waits_{.timeout_ns = 20'000'000'000};
};

template <class Element>
float element(const std::byte* from, unsigned i) {
  typename Element::Stored stored;
  std::memcpy(&stored, from + i * sizeof stored, sizeof stored);
  return Element::widen(stored);
}

TEST_F(SwitchChannelTest, reduce_by_a_group_adds_all_ranks_in_the_range_and_no_other) {
  fill<compute::Float32>([](unsigned rank, unsigned i) { return float(i + 100 * rank); });
  Room to = {};
  constexpr unsigned kThreads = 3;
  TeamBarrier barrier(kThreads);
  std::vector<std::thread> team;
  for (unsigned t = 0; t < kThreads; ++t)
    team.emplace_back([&, t] {
      EXPECT_TRUE(
          channel().reduce(HostTeam(barrier, t, kThreads), to.bytes, 64, 512, DataType::kFloat32));
    });
  for (std::thread& thread : team) thread.join();
  for (unsigned i = 0; i < 128; ++i)
    EXPECT_EQ(element<compute::Float32>(to.bytes, i), float(3 * (i + 16) + 300)) << i;
  EXPECT_EQ(element<compute::Float32>(to.bytes, 128), 0);
}

TEST_F(SwitchChannelTest, small_floats_are_added_in_fp32_and_rounded_once) {
  // 2048 + 1 is 2048 in float16, so adding one after the other in it would lose both ones.
  fill<compute::Float16>([](unsigned rank, unsigned) { return rank == 0 ? 2048.0f : 1.0f; });
  Room to = {};
  ASSERT_TRUE(channel().reduce(HostThread{}, to.bytes, 0, kBytes, DataType::kFloat16));
  EXPECT_EQ(element<compute::Float16>(to.bytes, 5), 2050);
  fill<compute::Bfloat16>([](unsigned rank, unsigned) { return rank == 0 ? 256.0f : 1.0f; });
  ASSERT_TRUE(channel().reduce(HostThread{}, to.bytes, 0, kBytes, DataType::kBfloat16));
  EXPECT_EQ(element<compute::Bfloat16>(to.bytes, 5), 258);
}

TEST_F(SwitchChannelTest, broadcast_reaches_every_rank) {
  Room from = {};
  for (std::uint64_t i = 0; i < kBytes; ++i) from.bytes[i] = static_cast<std::byte>(i * 3);
  ASSERT_TRUE(channel().broadcast(HostThread{}, 32, from.bytes, 256));
  for (std::byte* const member : members_) {
    EXPECT_EQ(std::memcmp(member + 32, from.bytes, 256), 0);
    EXPECT_EQ(member[31], std::byte{0});
    EXPECT_EQ(member[288], std::byte{0});
  }
}

TEST_F(SwitchChannelTest, what_leaves_the_window_or_is_not_whole_moves_nothing) {
  struct Bad {
    std::uint64_t offset, bytes, shift;
    DataType type;
  };
  Room to = {};
  for (const Bad& bad :
       {Bad{kBytes, 16, 0, DataType::kFloat32}, Bad{8, 16, 0, DataType::kFloat32},
        Bad{0, 8, 0, DataType::kFloat32}, Bad{0, 16, 8, DataType::kFloat32},
        Bad{~0ull - 15, 32, 0, DataType::kFloat32}, Bad{16, ~0ull - 15, 0, DataType::kFloat32},
        Bad{0, 16, 0, DataType::kInt32}, Bad{0, 16, 0, DataType::kFloat64}}) {
    waits_.failed = 0;
    EXPECT_FALSE(
        channel().reduce(HostThread{}, to.bytes + bad.shift, bad.offset, bad.bytes, bad.type));
    EXPECT_EQ(waits_.failed, 1u);
    EXPECT_EQ(waits_.failure.outcome, WaitOutcome::kOutOfRange);
    EXPECT_EQ(waits_.failure.expected, kBytes);
  }
  waits_.failed = 0;
  EXPECT_FALSE(channel().broadcast(HostThread{}, kBytes - 16, to.bytes, 32));
  EXPECT_EQ(waits_.failed, 1u);
}

TEST_F(SwitchChannelTest, where_there_is_no_switch_it_refuses_and_says_so) {
  const SwitchChannel<> absent{{members_[0], kBytes}, &waits_, 2};
  Room to = {};
  EXPECT_FALSE(absent.reduce(HostThread{}, to.bytes, 0, 16, DataType::kFloat32));
  EXPECT_EQ(waits_.failure.outcome, WaitOutcome::kUnreachable);
  EXPECT_EQ(waits_.failure.peer, 2);
}

}  // namespace
}  // namespace sluice
