// Any layout by the kernels' body: what is launched for it, whole messages and the beginnings of
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "datatype/gpu/move.hpp"
#include "datatype/gpu/parts.hpp"
#include "tests/datatype/random_type.hpp"

namespace sluice::datatype::gpu {
namespace {

using sluice::test::DrawnType;
using sluice::test::TypeSource;

/// All of a launch.
struct OneThread {
  std::uint64_t rank() const { return 0; }
  std::uint64_t size() const { return 1; }
};

template <bool kPack>
void move_by_parts(Parts& parts, std::int64_t count, std::byte* user, std::byte* packed,
                   std::int64_t bytes) {
  for (const Part& part : parts.of(count)) {
    if (bytes <= part.packed_offset) return;
    const Tables tables = make_tables(*part.shape);
    std::byte* const there = user + part.user_offset;
    std::byte* const here = packed + part.packed_offset;
    const Plan plan = make_plan(*part.shape, part.outer_count, there, here, tables.offsets.data(),
                                tables.packed_before.data(),
                                static_cast<std::uint64_t>(bytes - part.packed_offset));
    ASSERT_GT(plan.dimensions, 0u);
    move<kPack>(OneThread(), plan, there, here);
  }
}

/// `count` elements with room around them.
struct Buffer {
  Buffer(const Layout& layout, std::int64_t count, std::byte fill) {
    const std::int64_t last = (count - 1) * layout.extent();
    const std::int64_t low = layout.true_lower_bound() + std::min<std::int64_t>(last, 0);
    const std::int64_t high =
        layout.true_lower_bound() + layout.true_extent() + std::max<std::int64_t>(last, 0);
    origin = 64 - low;
    bytes.assign(static_cast<std::size_t>(high - low + 128), fill);
  }
  std::byte* user() { return bytes.data() + origin; }

  std::vector<std::byte> bytes;
  std::int64_t origin = 0;
};

std::vector<std::byte> drawn_bytes(std::mt19937& engine, std::size_t bytes) {
  std::vector<std::byte> drawn(bytes);
  for (std::byte& byte : drawn) byte = static_cast<std::byte>(engine() & 0xff);
  return drawn;
}

/// Whether two blocks of `count` elements meet: nobody may receive into such.
bool overlaps(const DrawnType& type, std::int64_t count) {
  std::vector<Block> blocks;
  for (std::int64_t k = 0; k < count; ++k)
    for (const Block& entry : type.map.entries)
      if (entry.bytes > 0) blocks.push_back({entry.offset + k * type.map.extent(), entry.bytes});
  std::ranges::sort(blocks, {}, &Block::offset);
  for (std::size_t i = 1; i < blocks.size(); ++i)
    if (blocks[i].offset < blocks[i - 1].offset + blocks[i - 1].bytes) return true;
  return false;
}

void check(const Layout& layout, std::int64_t count, std::int64_t received, std::mt19937& engine) {
  constexpr std::int64_t kMostBytes = 1 << 20;
  const std::int64_t size = layout.size() * count;
  if (size == 0 || size > kMostBytes || std::abs(layout.extent()) * count > kMostBytes) return;
  Parts parts(layout);
  Buffer from(layout, count, std::byte{0});
  from.bytes = drawn_bytes(engine, from.bytes.size());
  std::vector<std::byte> expected(static_cast<std::size_t>(size) + 8, std::byte{7});
  std::vector<std::byte> packed = expected;
  layout.pack(from.user(), count, expected.data());
  move_by_parts<true>(parts, count, from.user(), packed.data(), size);
  ASSERT_EQ(packed, expected) << layout.describe();
  // Only the beginning of a message came.
  const std::int64_t bytes = std::min(received, size);
  Buffer whole(layout, count, std::byte{3}), to(layout, count, std::byte{3});
  layout.unpack_range(expected.data(), count, 0, bytes, whole.user());
  move_by_parts<false>(parts, count, to.user(), packed.data(), bytes);
  ASSERT_EQ(to.bytes, whole.bytes) << bytes << " of " << layout.describe();
}

TEST(GpuParts, MoveRandomTypes) {
  std::mt19937 engine(11);
  int moved = 0;
  for (int turn = 0; turn < 1500 && !testing::Test::HasFailure(); ++turn) {
    const std::vector<std::byte> drawn = drawn_bytes(engine, 200);
    const DrawnType type = TypeSource(drawn).type(1 + turn % 4);
    const auto count = static_cast<std::int64_t>(1 + engine() % 5);
    if (type.layout == nullptr || overlaps(type, count)) continue;
    check(*type.layout, count, static_cast<std::int64_t>(engine() % 400), engine);
    ++moved;
  }
  EXPECT_GT(moved, 500);
}

TEST(GpuParts, WhatIsManyShapesIsListed) {
  // Forty vectors of different strides one behind the other: no shape, and too many launches.
  std::vector<std::int64_t> lengths, places;
  std::vector<LayoutPtr> olds;
  for (std::int64_t i = 0; i < 40; ++i) {
    lengths.push_back(1);
    places.push_back(i * 1000);
    olds.push_back(hvector(5, 1, 12 + 4 * i, vector(2, 1, 2, named(4))));
  }
  const LayoutPtr layout = structure(lengths, places, olds);
  ASSERT_EQ(layout->many().shape, nullptr);
  Parts parts(*layout);
  EXPECT_EQ(parts.of(3).size(), 1u);
  EXPECT_TRUE(parts.of(0).empty());
  std::mt19937 engine(5);
  check(*layout, 3, 700, engine);
}

TEST(GpuParts, OneLaunchForOneShape) {
  const LayoutPtr layout = vector(1000, 1, 2, named(8));
  EXPECT_EQ(Parts(*layout).of(7).size(), 1u);
  EXPECT_TRUE(layout->list_blocks(999).empty());
  EXPECT_EQ(layout->list_blocks(1000).size(), 1000u);
}

}  // namespace
}  // namespace sluice::datatype::gpu
