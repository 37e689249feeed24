// How buffers are cut, also where 32 bits would not do.
#include "algorithms/blocks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace sluice {
namespace {

constexpr std::uint64_t kGiB = 1ull << 30;

TEST(Range, slices_cover_it_once) {
  const Range range{100, 1000};
  std::uint64_t next = 100;
  for (std::uint64_t k = 0; k < 4; ++k) {
    const Range slice = range.slice(k, 300);
    EXPECT_EQ(slice.offset, next);
    next += slice.bytes;
  }
  EXPECT_EQ(next, 1100u);
  EXPECT_EQ(range.slice(3, 300).bytes, 100u);
  EXPECT_EQ(range.slice(4, 300).bytes, 0u);
  EXPECT_EQ(range.slice(4, 300).offset, 1100u);
}

TEST(Blocks, cut_covers_every_count_once_in_whole_elements_and_lines) {
  for (const std::uint64_t elem : {1, 2, 4, 8})
    for (std::uint64_t parts = 1; parts <= 17; ++parts)
      for (const std::uint64_t count : {0, 1, 2, 15, 16, 17, 63, 64, 65, 1000, 4097}) {
        const Blocks blocks = Blocks::cut(count, elem, parts);
        std::uint64_t next = 0;
        for (std::uint64_t r = 0; r < parts; ++r) {
          const Range block = blocks[static_cast<std::int32_t>(r)];
          EXPECT_EQ(block.offset, next);
          EXPECT_LE(block.bytes, blocks.largest());
          EXPECT_EQ(block.bytes % elem, 0u);
          if (block.bytes != 0) {
            EXPECT_EQ(block.offset % 64, 0u);
          }
          next += block.bytes;
        }
        EXPECT_EQ(next, count * elem);
        EXPECT_EQ(blocks.total(), count * elem);
      }
}

TEST(Blocks, equal_lie_one_behind_the_other) {
  const Blocks blocks = Blocks::equal(7, 8, 5);
  for (std::int32_t r = 0; r < 5; ++r) {
    EXPECT_EQ(blocks[r].offset, static_cast<std::uint64_t>(r) * 56);
    EXPECT_EQ(blocks[r].bytes, 56u);
  }
  EXPECT_EQ(blocks.total(), 280u);
  EXPECT_EQ(Blocks::equal(0, 8, 5)[4].bytes, 0u);
}

TEST(Blocks, listed_with_and_without_displacements) {
  const std::vector<std::size_t> counts = {3, 0, 5}, displacements = {10, 0, 2};
  const Blocks behind = Blocks::listed(counts.data(), nullptr, 4, 3);
  EXPECT_EQ(behind[0].offset, 0u);
  EXPECT_EQ(behind[1].offset, 12u);
  EXPECT_EQ(behind[1].bytes, 0u);
  EXPECT_EQ(behind[2].offset, 12u);
  EXPECT_EQ(behind[2].bytes, 20u);
  EXPECT_EQ(behind.largest(), 20u);
  EXPECT_EQ(behind.total(), 32u);
  const Blocks placed = Blocks::listed(counts.data(), displacements.data(), 4, 3);
  EXPECT_EQ(placed[0].offset, 40u);
  EXPECT_EQ(placed[2].offset, 8u);
}

TEST(Blocks, beyond_four_gibibytes) {
  const Blocks equal = Blocks::equal(3 * kGiB, 8, 9);
  EXPECT_EQ(equal[8].offset, 8 * 24 * kGiB);
  EXPECT_EQ(equal[8].bytes, 24 * kGiB);
  EXPECT_EQ(equal.total(), 216 * kGiB);
  EXPECT_EQ(equal.slices(128 * 1024), 24 * kGiB / (128 * 1024));

  const Blocks cut = Blocks::cut(5 * kGiB + 3, 1, 4);
  EXPECT_EQ(cut[3].offset + cut[3].bytes, 5 * kGiB + 3);
  EXPECT_EQ(cut[3].offset, 3 * cut.largest());
  EXPECT_EQ(cut[0].slice(20'000, 65'536).offset, 20'000ull * 65'536);

  const std::vector<std::size_t> counts = {5 * kGiB, 1, 5 * kGiB},
                                 displacements = {0, 5 * kGiB + 1, 6 * kGiB};
  EXPECT_EQ(Blocks::listed(counts.data(), nullptr, 4, 3)[2].offset, 20 * kGiB + 4);
  EXPECT_EQ(Blocks::listed(counts.data(), displacements.data(), 4, 3)[2].offset, 24 * kGiB);
}

TEST(Pipeline, each_stage_does_each_step_once_in_order) {
  for (const std::uint64_t steps : {0, 1, 2, 7}) {
    std::vector<std::pair<char, std::uint64_t>> done;
    pipeline(
        steps, [&](std::uint64_t k) { done.emplace_back('a', k); },
        [&](std::uint64_t k) { done.emplace_back('b', k); },
        [&](std::uint64_t k) { done.emplace_back('c', k); });
    ASSERT_EQ(done.size(), 3 * steps);
    for (const char stage : {'a', 'b', 'c'}) {
      std::uint64_t next = 0;
      for (const auto& [which, step] : done)
        if (which == stage) {
          EXPECT_EQ(step, next++);
        }
    }
    // A stage works on a step only after the stage before it has.
    for (std::uint64_t k = 0; k < steps; ++k) {
      const auto at = [&](char stage) {
        return std::find(done.begin(), done.end(), std::pair(stage, k));
      };
      EXPECT_LT(at('a'), at('b'));
      EXPECT_LT(at('b'), at('c'));
    }
  }
}

}  // namespace
}  // namespace sluice
