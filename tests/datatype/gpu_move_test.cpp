// The body of the kernels for GPUs, run by host threads: same words, same places.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

#include "datatype/gpu/kernels.hpp"
#include "datatype/gpu/move.hpp"
#include "datatype/gpu/plan.hpp"
#include "datatype/mover_checks.hpp"

namespace sluice::datatype::gpu {
namespace {

using test::OwnedShape;
using Random = std::mt19937_64;

std::int64_t between(Random& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

/// One of the threads of a launch.
struct Thread {
  std::uint64_t number;
  std::uint64_t threads;
  std::uint64_t rank() const { return number; }
  std::uint64_t size() const { return threads; }
};

template <bool kPack>
void move_by_threads(const Shape& shape, std::int64_t outer_count, std::byte* user,
                     std::byte* packed) {
  const Tables tables = make_tables(shape);
  const Plan plan = make_plan(shape, outer_count, user, packed, tables.offsets.data(),
                              tables.packed_before.data());
  constexpr std::uint64_t kLaunched = 7;
  for (std::uint64_t t = 0; t < kLaunched; ++t)
    move<kPack>(Thread{t, kLaunched}, plan, user, packed);
}

constexpr Movers kMovers = {
    [](const Shape& shape, std::int64_t outer_count, const std::byte* user, std::byte* packed) {
      move_by_threads<true>(shape, outer_count, const_cast<std::byte*>(user), packed);
    },
    [](const Shape& shape, std::int64_t outer_count, const std::byte* packed, std::byte* user) {
      move_by_threads<false>(shape, outer_count, user, const_cast<std::byte*>(packed));
    },
    "gpu"};

TEST(GpuDivision, IsThatOfTheLanguage) {
  Random random(1);
  const auto check = [](std::uint64_t n, std::uint64_t d) {
    ASSERT_EQ(Divisor(d).quotient(n), n / d) << n << " / " << d;
  };
  for (int turn = 0; turn < 200000; ++turn) {
    const std::uint64_t n = random() >> between(random, 1, 63);
    const std::uint64_t d = std::max<std::uint64_t>(1, random() >> between(random, 1, 63));
    check(n, d);
    check(n / d * d, d);
    if (n >= d) check(n / d * d - 1, d);
  }
  constexpr std::uint64_t kMost = (std::uint64_t{1} << 63) - 1;
  for (int bit = 0; bit < 63; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (const std::uint64_t d : {power, power + 1, std::max<std::uint64_t>(1, power - 1)})
      for (const std::uint64_t n : {std::uint64_t{0}, d - 1, d, d + 1, kMost}) check(n, d);
  }
  check(kMost, kMost);
}

TEST(GpuPlan, WordIsTheLargestThatFitsEverything) {
  alignas(16) static std::byte memory[64];
  const auto word = [&](const OwnedShape& shape, std::size_t user, std::size_t packed) {
    return make_plan(shape.view(), 4, memory + user, memory + packed, nullptr, nullptr).word;
  };
  EXPECT_EQ(word(test::rows(16, {{1, 32}}), 0, 0), 16u);
  EXPECT_EQ(word(test::rows(16, {{1, 40}}), 0, 0), 8u);
  EXPECT_EQ(word(test::rows(16, {{1, 32}}), 4, 0), 4u);
  EXPECT_EQ(word(test::rows(16, {{1, 32}}), 0, 2), 2u);
  EXPECT_EQ(word(test::rows(12, {{1, 32}}), 0, 0), 4u);
  EXPECT_EQ(word(test::rows(16, {{1, -16}}), 0, 0), 16u);
  EXPECT_EQ(word(test::record({{0, 4}, {8, 8}, {16, 3}}, {{1, 24}}), 0, 0), 1u);
  EXPECT_EQ(word(test::indexed(8, {0, 24}, {{1, 64}}), 0, 0), 8u);
}

TEST(GpuPlan, SaysWhatKernelsCannotMove) {
  const std::vector<Dimension> many(kMaxDimensions + 1, {2, 100});
  const OwnedShape shape = test::rows(4, many);
  EXPECT_EQ(make_plan(shape.view(), 2, nullptr, nullptr, nullptr, nullptr).dimensions, 0u);
  EXPECT_EQ(make_plan(test::rows(4, {{1, 8}}).view(), 0, nullptr, nullptr, nullptr, nullptr).words,
            0u);
}

TEST(GpuPlan, BlocksOfALaunch) {
  Plan plan;
  EXPECT_EQ(blocks_for(plan, 0), 1u);
  plan.words = std::uint64_t{1} << 40;
  EXPECT_EQ(blocks_for(plan, 264), 264u);
}

TEST(GpuMovers, RowsInUpToEightDimensions) {
  Random random(2);
  for (int turn = 0; turn < 600; ++turn) {
    const std::int64_t unit = std::int64_t{1} << between(random, 0, 4);
    const std::int64_t bytes = unit * between(random, 1, 9);
    std::vector<Dimension> dimensions;
    std::int64_t span = bytes + unit * between(random, 0, 4);
    for (std::int64_t d = between(random, 1, 8); d > 0 && span < 100000; --d) {
      const std::int64_t count = between(random, 1, dimensions.empty() ? 40 : 4);
      dimensions.push_back({count, random() % 4 == 0 ? -span : span});
      span = span * count + unit * between(random, 0, 4);
    }
    std::ranges::reverse(dimensions);
    if (random() % 4 == 0) std::ranges::shuffle(dimensions, random);
    OwnedShape shape = test::rows(bytes, dimensions);
    shape.offset = unit * between(random, -5, 5);
    test::check_movers(kMovers, shape, between(random, 0, 5));
    if (testing::Test::HasFailure()) return;
  }
}

TEST(GpuMovers, RecordsAndLists) {
  Random random(3);
  for (int turn = 0; turn < 800; ++turn) {
    const std::int64_t unit = std::int64_t{1} << between(random, 0, 3);
    std::vector<Block> fields;
    std::vector<std::int64_t> offsets;
    const std::int64_t bytes = unit * between(random, 1, 6);
    std::int64_t at = 0;
    for (std::int64_t left = between(random, 1, 40); left > 0; --left) {
      at += unit * between(random, 0, 5);
      fields.push_back({at, unit * between(random, 0, 6)});
      offsets.push_back(at);
      at += std::max(fields.back().bytes, bytes);
    }
    if (turn % 2 == 0) std::ranges::shuffle(fields, random);
    if (turn % 2 == 0) std::ranges::shuffle(offsets, random);
    const std::vector<Dimension> around = {{1, 3 * at + 8 * unit}, {3, at + unit}};
    test::check_movers(kMovers, test::ragged(fields, around), between(random, 1, 3));
    test::check_movers(kMovers, test::indexed(bytes, offsets, around), between(random, 1, 3));
    fields.resize(std::min(fields.size(), kMaxFields));
    test::check_movers(kMovers, test::record(fields, {{1, at}}), between(random, 1, 9));
    if (testing::Test::HasFailure()) return;
  }
}

// As on a device: all threads at once, each its own words (for the thread sanitizer).
TEST(GpuMovers, ThreadsDoNotMeet) {
  static constexpr std::uint64_t kThreadsHere = 4;
  const OwnedShape shape = test::record({{0, 4}, {8, 8}, {16, 3}}, {{1, 24}});
  constexpr std::int64_t kCount = 5000;
  std::vector<std::byte> user(24 * kCount), packed(15 * kCount), back(24 * kCount);
  for (std::size_t i = 0; i < user.size(); ++i) user[i] = static_cast<std::byte>(i * 31);
  const Tables tables = make_tables(shape.view());
  const auto run = [&](auto body) {
    std::vector<std::thread> threads;
    for (std::uint64_t t = 0; t < kThreadsHere; ++t)
      threads.emplace_back([t, &body] { body(Thread{t, kThreadsHere}); });
    for (std::thread& thread : threads) thread.join();
  };
  const auto plan = [&](std::vector<std::byte>& memory) {
    return make_plan(shape.view(), kCount, memory.data(), packed.data(), tables.offsets.data(),
                     tables.packed_before.data());
  };
  run([&](const Thread& t) { move<true>(t, plan(user), user.data(), packed.data()); });
  run([&](const Thread& t) { move<false>(t, plan(back), back.data(), packed.data()); });
  for (const Block& block : test::blocks_of(shape.view(), kCount))
    for (std::int64_t b = block.offset; b < block.offset + block.bytes; ++b)
      ASSERT_EQ(user[static_cast<std::size_t>(b)], back[static_cast<std::size_t>(b)]) << b;
}

}  // namespace
}  // namespace sluice::datatype::gpu
