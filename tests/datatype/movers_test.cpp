// Every mover on every instruction set of this processor, at the edge of unmapped memory on either
// side.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "datatype/mover_checks.hpp"

namespace sluice::datatype::test {
namespace {

using Random = std::mt19937;

std::int64_t between(Random& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

std::vector<std::int64_t> block_sizes() {
  std::vector<std::int64_t> sizes(130);
  std::iota(sizes.begin(), sizes.end(), 1);
  sizes.insert(sizes.end(), {255, 256, 257, 512, 1023, 1024, 1025, 2048, 5000});
  return sizes;
}

TEST(Rows, EveryBlockSizeStrideAndCount) {
  for (const std::int64_t bytes : block_sizes()) {
    for (const std::int64_t stride : {bytes + 1, 2 * bytes, 3 * bytes + 1, bytes + 4096, -2 * bytes,
                                      bytes / 2, std::int64_t{0}}) {
      for (const std::int64_t count : {0, 1, 2, 3, 5, 9, 18, 37}) {
        check_all_sets(rows(bytes, {{1, stride}}), count);
        if (HasFailure()) return;
      }
    }
  }
}

TEST(Rows, BlocksThatTouchAreOne) {
  for (const std::int64_t bytes : {1, 3, 8, 100, 5000})
    for (const std::int64_t count : {0, 1, 2, 7, 100})
      check_all_sets(rows(bytes, {{1, bytes}}), count);
}

TEST(Rows, ElementsAtTwiceTheirSizeInAllCounts) {
  for (const std::int64_t bytes : {1, 2, 4, 8, 16}) {
    for (std::int64_t count = 1; count < 300; ++count) {
      check_all_sets(rows(bytes, {{count, 2 * bytes}}), count);
      if (HasFailure()) return;
    }
  }
}

TEST(Rows, ColumnsThatCrowdASetOfTheCache) {
  for (const std::int64_t bytes : {1, 2, 4, 5, 8, 16, 24, 32, 64, 65})
    for (const std::int64_t stride : {512, -1536, 2048, 4096, -8192})
      for (const std::int64_t count : {127, 128, 131, 200}) {
        check_all_sets(rows(bytes, {{1, stride}}), count);
        if (HasFailure()) return;
      }
}

TEST(Rows, RowsThatCrowdSetsOfTheCache) {
  for (const std::int64_t bytes : {64, 128, 129, 200, 256, 511, 512})
    for (const std::int64_t stride : {2048, -2048, 4096, 8192})
      for (const std::int64_t count : {8, 9, 16, 40}) {
        check_all_sets(rows(bytes, {{1, stride}}), count);
        if (HasFailure()) return;
      }
}

TEST(Rows, BlocksAtEveryPlaceOfALine) {
  for (const std::int64_t bytes : {8, 16, 17, 20, 23, 24, 25, 31, 32})
    for (std::int64_t offset = 0; offset < 64; ++offset)
      for (const std::int64_t count : {3, 128}) {
        OwnedShape at_offset = rows(bytes, {{1, 4096}});
        at_offset.offset = offset;
        check_all_sets(at_offset, count);
        if (HasFailure()) return;
      }
}

// Whole lines, and lines across which blocks lie on one side or on both.
TEST(Rows, LargeOnesAtLinesAndAcrossThem) {
  constexpr std::int64_t kMuch = std::int64_t{8} << 20;
  const std::vector<std::pair<std::int64_t, std::int64_t>> blocks_and_strides = {
      {64, 128}, {64, 72}, {200, 256}, {1032, 1040}};
  for (const auto& [bytes, stride] : blocks_and_strides) {
    check_all_sets(rows(bytes, {{1, stride}}), kMuch / bytes + 1);
    if (HasFailure()) return;
  }
}

TEST(Rows, TwoThreeAndFiveDimensions) {
  for (const std::int64_t bytes : {1, 2, 4, 6, 8, 12, 16, 24, 40, 64, 100, 1500}) {
    OwnedShape planes = rows(bytes, {{3, 40 * bytes}, {5, 3 * bytes}});
    planes.offset = 7;
    for (const std::int64_t count : {0, 1, 3, 20}) check_all_sets(planes, count);
    check_all_sets(rows(bytes, {{3, 400 * bytes}, {4, 40 * bytes}, {5, 3 * bytes}}), 3);
    check_all_sets(rows(bytes, {{2, -4000 * bytes},
                                {3, 400 * bytes},
                                {2, 100 * bytes},
                                {2, 40 * bytes},
                                {9, 2 * bytes}}),
                   2);
    if (HasFailure()) return;
  }
}

TEST(Transposes, EveryElementAndSize) {
  for (const std::int64_t bytes : {1, 2, 3, 4, 8, 12, 16, 24, 32}) {
    for (const std::int64_t gap : {std::int64_t{0}, bytes, std::int64_t{1}}) {
      for (const std::int64_t columns : {1, 2, 5, 8, 16, 33, 64, 67}) {
        for (const std::int64_t lines : {4, 5, 8, 15, 16, 31, 32, 64, 77}) {
          const std::int64_t step = bytes + gap;
          check_all_sets(rows(bytes, {{1, step}, {lines, columns * step + 5}}), columns);
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST(Transposes, BackwardsAndInsideOtherDimensions) {
  for (const std::int64_t bytes : {1, 2, 4, 8, 16, 24}) {
    const std::int64_t line = 40 * bytes;
    check_all_sets(rows(bytes, {{1, -bytes}, {33, line}}), 35);
    check_all_sets(rows(bytes, {{1, bytes}, {33, -line}}), 35);
    check_all_sets(rows(bytes, {{1, 50 * line}, {37, bytes}, {33, line}}), 3);
    check_all_sets(rows(bytes, {{1, bytes}, {3, 50 * line}, {33, line}}), 37);
    check_all_sets(rows(bytes, {{1, bytes}, {33, line}, {5, 50 * line}}), 37);
    check_all_sets(
        rows(bytes, {{1, 400 * line}, {2, 200 * line}, {37, bytes}, {2, 100 * line}, {33, line}}),
        2);
    if (HasFailure()) return;
  }
}

// Written past the caches, from the first whole line on.
TEST(Transposes, LargeOnesWhoseLinesBeginTogether) {
  for (const std::int64_t bytes : {4, 8, 16}) {
    const std::int64_t lines = 2048 / bytes, columns = (std::int64_t{8} << 20) / 2048 + 3;
    check_all_sets(rows(bytes, {{1, bytes}, {lines, (columns * bytes + 63) / 64 * 64}}), columns);
    if (HasFailure()) return;
  }
}

TEST(Records, ThoseOfCompilers) {
  const std::vector<std::pair<std::vector<Block>, std::int64_t>> structs = {
      {{{0, 4}, {8, 8}, {16, 3}}, 24},
      {{{0, 8}, {8, 4}}, 16},
      {{{0, 12}}, 16},
      {{{0, 1}, {2, 2}}, 4},
      {{{0, 1}, {4, 4}}, 8},
      {{{0, 4}, {16, 16}}, 32},
      {{{8, 8}, {0, 8}}, 24},
      {{{0, 2}, {8, 8}, {16, 8}, {24, 8}}, 32},
      {{{0, 24}, {32, 40}, {80, 1}}, 96},
      {{{0, 300}, {304, 8}}, 320},
      {{{0, 1}, {9, 1}}, 10},
      {{{0, 4000}, {4096, 700}}, 5000},
      {{{3, 16}, {20, 15}}, 36},
      {{{0, 9}, {11, 7}, {20, 12}}, 32}};
  for (const auto& [fields, extent] : structs) {
    for (const std::int64_t count : {0, 1, 2, 7, 8, 9, 16, 17, 40, 41, 300}) {
      check_all_sets(record(fields, {{1, extent}}), count);
      check_all_sets(record(fields, {{1, -extent}}), count);
      check_all_sets(record(fields, {{1, extent + 5000}}), std::min<std::int64_t>(count, 41));
      check_all_sets(record(fields, {{3, 60 * extent}, {count, extent}}),
                     std::min<std::int64_t>(count, 3));
      if (HasFailure()) return;
    }
  }
}

TEST(Records, RandomFields) {
  Random random(1);
  for (int turn = 0; turn < 1500; ++turn) {
    std::vector<Block> fields;
    std::int64_t at = between(random, -20, 20);
    const std::int64_t most = between(random, 1, 40);
    for (std::int64_t left = between(random, 1, 16); left > 0; --left) {
      at += between(random, 0, 9);
      fields.push_back({at, between(random, 0, most)});
      at += fields.back().bytes;
    }
    if (turn % 2 == 0) std::ranges::shuffle(fields, random);
    const std::int64_t extent = at - between(random, -3, 40) + 40;
    check_all_sets(record(fields, {{1, extent}}), between(random, 0, 200));
    if (HasFailure()) return;
  }
}

/// Slots of `slot` bytes in random order.
std::vector<std::int64_t> random_slots(Random& random, std::int64_t count, std::int64_t slot) {
  std::vector<std::int64_t> offsets(static_cast<std::size_t>(2 * count));
  for (std::size_t i = 0; i < offsets.size(); ++i)
    offsets[i] = static_cast<std::int64_t>(i) * slot - 100;
  std::ranges::shuffle(offsets, random);
  offsets.resize(static_cast<std::size_t>(count));
  return offsets;
}

TEST(Lists, OneLength) {
  Random random(2);
  for (const std::int64_t bytes : block_sizes()) {
    for (const std::int64_t count : {1, 2, 3, 4, 7, 33, 100}) {
      OwnedShape shape = indexed(bytes, random_slots(random, count, bytes + between(random, 0, 9)),
                                 {{1, 3 * count * (bytes + 9)}});
      shape.offset = 5;
      for (const std::int64_t outer : {1, 3}) check_all_sets(shape, outer);
      if (HasFailure()) return;
    }
  }
  for (const std::int64_t bytes : {4, 8, 24})
    check_all_sets(indexed(bytes, random_slots(random, 50, bytes), {{2, 9000}, {3, 3000}}), 2);
}

TEST(Lists, AllLengths) {
  Random random(3);
  for (int turn = 0; turn < 3000; ++turn) {
    const std::int64_t most = between(random, 1, turn % 50 == 0 ? 3000 : 130);
    std::vector<Block> fields;
    std::int64_t at = -50;
    for (std::int64_t left = between(random, 1, 60); left > 0; --left) {
      at += between(random, 0, 20);
      fields.push_back({at, between(random, 0, most)});
      at += fields.back().bytes;
    }
    if (turn % 2 == 0) std::ranges::shuffle(fields, random);
    check_all_sets(ragged(fields, {{1, at + 100}}), between(random, 1, 4));
    check_all_sets(ragged(fields, {{2, 3 * at + 300}, {2, at + 100}}), 2);
    if (HasFailure()) return;
  }
}

TEST(Lists, BlocksWithoutBytesMayLieAnywhere) {
  constexpr std::int64_t kFar = std::int64_t{1} << 40;
  std::vector<Block> fields = {{0, 5}, {kFar, 0}, {7, 9}, {-kFar, 0}};
  for (int i = 0; i < 30; ++i) fields.push_back({20 + 10 * i, 7});
  check_all_sets(ragged(fields, {{1, 400}}), 3);
  fields.resize(4);
  check_all_sets(record(fields, {{1, 24}}), 100);
}

// Other threads may write the gaps meanwhile: each of their writes must be there at the end.
TEST(Movers, UnpackingLeavesTheGapsToOtherThreads) {
  constexpr std::int64_t kCount = 20000;
  const std::vector<OwnedShape> shapes = {rows(8, {{1, 16}}), rows(4, {{1, 16}}),
                                          rows(8, {{1, 16}, {2, 16 * kCount}}),
                                          record({{0, 4}, {4, 3}}, {{1, 16}}), rows(7, {{1, 16}})};
  for (const OwnedShape& shape : shapes) {
    std::vector<std::uint64_t> user(static_cast<std::size_t>(4 * kCount + 2));
    const std::vector<std::byte> packed(static_cast<std::size_t>(32 * kCount));
    std::atomic<bool> ended{false};
    std::uint64_t written = 0;
    std::thread other([&] {
      do {
        ++written;
        for (std::size_t i = 1; i < user.size(); i += 2) std::atomic_ref(user[i]).store(written);
        for (std::size_t i = 1; i < user.size(); i += 2)
          if (std::atomic_ref(user[i]).load() != written) ADD_FAILURE() << "lost at " << i;
      } while (!ended);
    });
    for (int turn = 0; turn < 20; ++turn)
      choose_movers(shape.view())
          .unpack(shape.view(), kCount, packed.data(), reinterpret_cast<std::byte*>(user.data()));
    ended = true;
    other.join();
    if (HasFailure()) FAIL() << shape.describe();
  }
}

TEST(Movers, AreNamedAfterWhatTheyDo) {
  const auto name = [](const OwnedShape& shape) {
    return std::string(choose_movers(shape.view()).name);
  };
  EXPECT_EQ(name(rows(8, {{1, 8}})), "contiguous");
  EXPECT_EQ(name(rows(8, {{1, 16}})), "gather8");
  EXPECT_EQ(name(rows(24, {{1, 32}})), "rows");
  EXPECT_EQ(name(rows(8, {{1, 8}, {64, 512}})), "transpose8");
  EXPECT_EQ(name(rows(8, {{1, 16}, {64, 1024}})), "tiles");
  EXPECT_EQ(name(rows(8, {{1, 1024}, {64, 16}})), "gather8");
  EXPECT_EQ(name(record({{0, 4}, {8, 8}}, {{1, 16}})), "record");
  EXPECT_EQ(name(indexed(8, {0, 64, 16}, {{1, 100}})), "indexed");
  EXPECT_EQ(name(ragged({{0, 1}, {5, 2}}, {{1, 100}})), "ragged");
  EXPECT_EQ(name(rows(0, {{1, 16}})), "nothing");
}

}  // namespace
}  // namespace sluice::datatype::test
