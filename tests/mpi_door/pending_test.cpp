// The table of what is to be done when requests complete.
#include "bindings/mpi/pending.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "bindings/mpi/pool.hpp"

namespace sluice::mpi {
namespace {

TypeInfo* strided() {
  return make_type_info({datatype::vector(4, 1, 2, datatype::named(8)), 8}, true);
}

TEST(TypeInfo, WhereElementsMayBeCutItIsAlwaysReceivedByUs) {
  const datatype::LayoutPtr layout = datatype::vector(4, 1, 2, datatype::named(8));
  TypeInfo* const whole = make_type_info({layout, 8}, true);
  TypeInfo* const mixed = make_type_info({layout, kMixedElements}, true);
  TypeInfo* const elsewhere = make_type_info({layout, kMixedElements}, false);
  TypeInfo* const contiguous = make_type_info({datatype::named(16), kMixedElements}, true);
  EXPECT_FALSE(whole->always_received);
  EXPECT_TRUE(mixed->always_received);
  EXPECT_TRUE(mixed->window(policy::Call::kReceive).contains(0x7fffffff));
  EXPECT_FALSE(elsewhere->always_received);
  EXPECT_FALSE(contiguous->always_received);
  for (TypeInfo* each : {whole, mixed, elsewhere, contiguous}) drop(each);
  EXPECT_EQ(common_element(common_element(0, 4), 4), 4);
  EXPECT_EQ(common_element(common_element(4, 8), 4), kMixedElements);
}

constexpr Route kRoute{.packs = true};

TEST(Pending, TheNewestOfAHandleIsFoundAndTheOldOneStillTaken) {
  TypeInfo* const type = strided();
  std::array<double, 8> user{};
  Pending* const old_one = make_pending(Function::kIrecv, kRoute, *type, user.data(), 1, true);
  Pending* const new_one = make_pending(Function::kIrecv, kRoute, *type, user.data(), 1, true);
  ASSERT_NE(old_one, nullptr);
  ASSERT_NE(new_one, nullptr);
  pending::insert(old_one, 0x1000);
  pending::insert(new_one, 0x1000);
  EXPECT_EQ(pending::find(0x1000), new_one);
  EXPECT_TRUE(pending::take(old_one));
  EXPECT_EQ(pending::find(0x1000), new_one);
  EXPECT_TRUE(pending::take(new_one));
  EXPECT_FALSE(pending::take(new_one));
  EXPECT_EQ(pending::find(0x1000), nullptr);
  EXPECT_FALSE(pending::any());
  dispose(old_one);
  dispose(new_one);
  EXPECT_EQ(type->references.load(), 1);
  drop(type);
}

TEST(Pending, AShortMessageUnpacksWhatCame) {
  TypeInfo* const type = strided();
  const std::array<double, 8> sent = {1, -1, 2, -1, 3, -1, 4, -1};
  std::array<double, 8> user;
  user.fill(9);
  Pending* const pending = make_pending(Function::kIrecv, kRoute, *type, user.data(), 1, true);
  ASSERT_NE(pending, nullptr);
  type->layout->pack(sent.data(), 1, pending->packed.get());
  pending->unpack(16);
  EXPECT_EQ(user, (std::array<double, 8>{1, 9, 2, 9, 9, 9, 9, 9}));
  pending->unpack(0);
  EXPECT_EQ(user[4], 9);
  pending->unpack(32);
  EXPECT_EQ(user, (std::array<double, 8>{1, 9, 2, 9, 3, 9, 4, 9}));
  dispose(pending);
  drop(type);
}

TEST(Pending, ThreadsInsertFindAndTakeTheirOwn) {
  TypeInfo* const type = strided();
  constexpr int kThreads = 4, kRounds = 2000;
  std::array<int, kThreads> wrong{};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {
      double user[8] = {};
      for (int round = 0; round < kRounds; ++round) {
        // Handles that fall on the places of other threads' as well.
        const auto key = static_cast<std::uintptr_t>(1 + round * kThreads + thread);
        Pending* const mine = make_pending(Function::kIsend, kRoute, *type, user, 1, false);
        pending::insert(mine, key);
        wrong[static_cast<std::size_t>(thread)] += pending::find(key) != mine;
        wrong[static_cast<std::size_t>(thread)] += !pending::take(mine);
        dispose(mine);
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::array<int, kThreads>{}));
  EXPECT_FALSE(pending::any());
  EXPECT_EQ(type->references.load(), 1);
  drop(type);
}

TEST(Pool, GivesWhatWasReleasedAgainAndKnowsItsBound) {
  std::byte* const first = pool::acquire(1000);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0u);
  pool::release(first);
  std::byte* const second = pool::acquire(900);
  EXPECT_EQ(second, first);
  pool::release(second);
  EXPECT_EQ(pool::acquire(policy::buffer_limit_bytes() + 1), nullptr);
  EXPECT_EQ(pool::acquire(-1), nullptr);
  std::byte* const half = pool::acquire(policy::buffer_limit_bytes() / 2);
  ASSERT_NE(half, nullptr);
  EXPECT_EQ(pool::acquire(policy::buffer_limit_bytes() / 2 + 1), nullptr);
  pool::release(half);
}

TEST(Pool, AnotherThreadMayRelease) {
  std::byte* const memory = pool::acquire(1 << 20);
  ASSERT_NE(memory, nullptr);
  std::thread([memory] { pool::release(memory); }).join();
  std::byte* const again = pool::acquire(1 << 20);
  ASSERT_NE(again, nullptr);
  pool::release(again);
}

}  // namespace
}  // namespace sluice::mpi
