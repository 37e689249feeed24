#include "datatype/mover_checks.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "datatype/guarded.hpp"

namespace sluice::datatype::test {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{17} << 20;
/// Bytes beside the packed form that must keep their value.
constexpr std::size_t kMargin = 80;

const std::vector<std::byte>& noise() {
  static const std::vector<std::byte> bytes = [] {
    std::mt19937_64 random(20261129);
    std::vector<std::byte> made(2 * kArenaBytes);
    for (std::size_t i = 0; i < made.size(); i += 8) {
      const std::uint64_t word = random();
      std::memcpy(&made[i], &word, 8);
    }
    return made;
  }();
  return bytes;
}

void add_blocks(const Shape& shape, std::size_t level, std::int64_t count, std::int64_t at,
                std::vector<Block>& blocks) {
  if (level == shape.dimensions.size()) {
    switch (shape.leaf) {
      case Leaf::kBlock: blocks.push_back({at, shape.block_bytes}); return;
      case Leaf::kIndexed:
        for (const std::int64_t offset : shape.offsets)
          blocks.push_back({at + offset, shape.block_bytes});
        return;
      case Leaf::kRecord:
      case Leaf::kRagged:
        for (const Block& field : shape.fields) blocks.push_back({at + field.offset, field.bytes});
        return;
    }
  }
  const std::int64_t inside =
      level + 1 < shape.dimensions.size() ? shape.dimensions[level + 1].count : 1;
  for (std::int64_t i = 0; i < count; ++i)
    add_blocks(shape, level + 1, inside, at + i * shape.dimensions[level].stride, blocks);
}

bool disjoint(std::vector<Block> blocks) {
  std::erase_if(blocks, [](const Block& block) { return block.bytes == 0; });
  std::ranges::sort(blocks, {}, &Block::offset);
  for (std::size_t i = 1; i < blocks.size(); ++i)
    if (blocks[i - 1].offset + blocks[i - 1].bytes > blocks[i].offset) return false;
  return true;
}

struct Bounds {
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::int64_t packed = 0;
};
Bounds bounds_of(const std::vector<Block>& blocks) {
  Bounds bounds;
  bool first = true;
  for (const Block& block : blocks) {
    if (block.bytes == 0) continue;
    bounds.low = first ? block.offset : std::min(bounds.low, block.offset);
    bounds.high = std::max(first ? block.offset : bounds.high, block.offset + block.bytes);
    bounds.packed += block.bytes;
    first = false;
  }
  return bounds;
}

/// Both sides of one transfer: each against its left or its right guard.
class Sides {
 public:
  Sides(const Bounds& bounds, bool user_right, bool packed_right)
      : span_(static_cast<std::size_t>(bounds.high - bounds.low)),
        packed_bytes_(static_cast<std::size_t>(bounds.packed)),
        user_(place(user_arena(), span_, user_right)),
        packed_(place(packed_arena(), packed_bytes_, packed_right)),
        origin_(user_ - bounds.low) {}

  /// What the user passes: offsets count from it.
  std::byte* origin() const { return origin_; }
  std::byte* user() const { return user_; }
  std::byte* packed() const { return packed_; }
  std::size_t span() const { return span_; }
  std::size_t packed_bytes() const { return packed_bytes_; }

  /// What lies around as far as it is mapped.
  static std::vector<std::byte> around(const Guarded& arena, const std::byte* at,
                                       std::size_t bytes) {
    const std::size_t before = std::min(kMargin, static_cast<std::size_t>(at - arena.begin()));
    const std::size_t after = std::min(kMargin, static_cast<std::size_t>(arena.end() - at) - bytes);
    return {at - before, at + bytes + after};
  }
  static Guarded& user_arena() {
    static Guarded arena(kArenaBytes);
    return arena;
  }
  static Guarded& packed_arena() {
    static Guarded arena(kArenaBytes);
    return arena;
  }

 private:
  static std::byte* place(const Guarded& arena, std::size_t bytes, bool right) {
    return right ? arena.end() - bytes : arena.begin();
  }

  std::size_t span_;
  std::size_t packed_bytes_;
  std::byte* user_;
  std::byte* packed_;
  std::byte* origin_;
};

std::vector<std::byte> pack_plainly(const std::vector<Block>& blocks, const std::byte* origin,
                                    std::size_t bytes) {
  std::vector<std::byte> packed(bytes);
  std::size_t at = 0;
  for (const Block& block : blocks) {
    if (block.bytes == 0) continue;
    std::memcpy(&packed[at], origin + block.offset, static_cast<std::size_t>(block.bytes));
    at += static_cast<std::size_t>(block.bytes);
  }
  return packed;
}

/// Where two images differ first, for the report.
std::string difference(const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  const auto [x, y] = std::ranges::mismatch(a, b);
  return "byte " + std::to_string(x - a.begin()) + " of " + std::to_string(a.size());
}

void check_pack(const Movers& movers, const Shape& shape, std::int64_t outer_count,
                const std::vector<Block>& blocks, const Sides& sides) {
  std::memcpy(sides.user(), noise().data() + sides.span() % 977, sides.span());
  const std::vector<std::byte> expected =
      pack_plainly(blocks, sides.origin(), sides.packed_bytes());
  std::vector<std::byte> image =
      Sides::around(Sides::packed_arena(), sides.packed(), sides.packed_bytes());
  const std::size_t before =
      std::min(kMargin, static_cast<std::size_t>(sides.packed() - Sides::packed_arena().begin()));
  std::ranges::copy(expected, image.begin() + static_cast<std::ptrdiff_t>(before));
  const std::vector<std::byte> user(sides.user(), sides.user() + sides.span());
  movers.pack(shape, outer_count, sides.origin(), sides.packed());
  const std::vector<std::byte> seen =
      Sides::around(Sides::packed_arena(), sides.packed(), sides.packed_bytes());
  EXPECT_TRUE(seen == image) << "packed: " << difference(seen, image);
  EXPECT_TRUE(std::equal(user.begin(), user.end(), sides.user())) << "packing wrote";
}

void check_unpack(const Movers& movers, const Shape& shape, std::int64_t outer_count,
                  const std::vector<Block>& blocks, const Sides& sides) {
  const std::byte* const source = noise().data() + 1 + sides.packed_bytes() % 1013;
  std::memcpy(sides.packed(), source, sides.packed_bytes());
  std::memcpy(sides.user(), noise().data() + kArenaBytes, sides.span());
  std::vector<std::byte> image = Sides::around(Sides::user_arena(), sides.user(), sides.span());
  const std::ptrdiff_t before =
      std::min<std::ptrdiff_t>(kMargin, sides.user() - Sides::user_arena().begin());
  const std::byte* from = source;
  for (const Block& block : blocks) {
    if (block.bytes == 0) continue;
    const std::ptrdiff_t at = sides.origin() + block.offset - sides.user() + before;
    std::memcpy(&image[static_cast<std::size_t>(at)], from, static_cast<std::size_t>(block.bytes));
    from += block.bytes;
  }
  movers.unpack(shape, outer_count, sides.packed(), sides.origin());
  const std::vector<std::byte> seen =
      Sides::around(Sides::user_arena(), sides.user(), sides.span());
  EXPECT_TRUE(seen == image) << "unpacked: " << difference(seen, image);
  EXPECT_TRUE(std::memcmp(source, sides.packed(), sides.packed_bytes()) == 0)
      << "unpacking wrote the packed side";
}

/// Those of this processor that there are kernels for, and 0 for the plainest.
const std::vector<std::int64_t>& instruction_sets() {
  static const std::vector<std::int64_t> sets = [] {
    hwy::SetSupportedTargetsForTest(0);
    std::vector<std::int64_t> found = {0};
    for (const std::int64_t set : {HWY_SSE4, HWY_AVX2, HWY_AVX3, HWY_NEON})
      if ((hwy::SupportedTargets() & set) != 0) found.push_back(set);
    return found;
  }();
  return sets;
}

OwnedShape with_fields(Leaf leaf, std::vector<Block> fields, std::vector<Dimension> dimensions) {
  OwnedShape shape;
  shape.leaf = leaf;
  shape.fields = std::move(fields);
  shape.dimensions = std::move(dimensions);
  return shape;
}

}  // namespace

Shape OwnedShape::view() const {
  std::int64_t leaf_bytes = 0;
  switch (leaf) {
    case Leaf::kBlock: leaf_bytes = block_bytes; break;
    case Leaf::kIndexed:
      leaf_bytes = block_bytes * static_cast<std::int64_t>(offsets.size());
      break;
    case Leaf::kRecord:
    case Leaf::kRagged:
      for (const Block& field : fields) leaf_bytes += field.bytes;
      break;
  }
  return {leaf, offset, block_bytes, leaf_bytes, dimensions, fields, offsets};
}

std::string OwnedShape::describe() const {
  std::string text = "leaf " + std::to_string(static_cast<int>(leaf)) + " block " +
                     std::to_string(block_bytes) + " offset " + std::to_string(offset);
  for (const Dimension& d : dimensions)
    text += " [" + std::to_string(d.count) + " x " + std::to_string(d.stride) + "]";
  for (std::size_t i = 0; i < std::min<std::size_t>(fields.size(), 20); ++i)
    text += " {" + std::to_string(fields[i].offset) + "+" + std::to_string(fields[i].bytes) + "}";
  if (!offsets.empty()) text += " " + std::to_string(offsets.size()) + " offsets";
  return text;
}

OwnedShape rows(std::int64_t block_bytes, std::vector<Dimension> dimensions) {
  OwnedShape shape;
  shape.block_bytes = block_bytes;
  shape.dimensions = std::move(dimensions);
  return shape;
}
OwnedShape record(std::vector<Block> fields, std::vector<Dimension> dimensions) {
  return with_fields(Leaf::kRecord, std::move(fields), std::move(dimensions));
}
OwnedShape ragged(std::vector<Block> fields, std::vector<Dimension> dimensions) {
  return with_fields(Leaf::kRagged, std::move(fields), std::move(dimensions));
}
OwnedShape indexed(std::int64_t block_bytes, std::vector<std::int64_t> offsets,
                   std::vector<Dimension> dimensions) {
  OwnedShape shape = rows(block_bytes, std::move(dimensions));
  shape.leaf = Leaf::kIndexed;
  shape.offsets = std::move(offsets);
  return shape;
}

std::vector<Block> blocks_of(const Shape& shape, std::int64_t outer_count) {
  std::vector<Block> blocks;
  add_blocks(shape, 0, outer_count, shape.offset, blocks);
  return blocks;
}

void check_movers(const Movers& movers, const OwnedShape& owned, std::int64_t outer_count) {
  const Shape shape = owned.view();
  const std::vector<Block> blocks = blocks_of(shape, outer_count);
  const Bounds bounds = bounds_of(blocks);
  ASSERT_LE(bounds.high - bounds.low, static_cast<std::int64_t>(kArenaBytes)) << owned.describe();
  ASSERT_LE(bounds.packed, static_cast<std::int64_t>(kArenaBytes)) << owned.describe();
  const bool unpacks = disjoint(blocks);
  for (const bool right : {false, true}) {
    const Sides sides(bounds, right, true);
    check_pack(movers, shape, outer_count, blocks, sides);
    if (unpacks) check_unpack(movers, shape, outer_count, blocks, sides);
    if (::testing::Test::HasFailure()) {
      FAIL() << movers.name << (right ? " right" : " left") << ", outer count " << outer_count
             << ": " << owned.describe();
    }
  }
  const Sides left(bounds, true, false);
  check_pack(movers, shape, outer_count, blocks, left);
  if (::testing::Test::HasFailure()) FAIL() << movers.name << ": " << owned.describe();
}

void check_all_sets(const OwnedShape& shape, std::int64_t outer_count) {
  for (const std::int64_t set : instruction_sets()) {
    hwy::GetChosenTarget().Update(set);
    const Movers movers = choose_movers(shape.view());
    check_movers(movers, shape, outer_count);
    if (::testing::Test::HasFailure()) {
      ADD_FAILURE() << "with " << (set == 0 ? "the fallback" : hwy::TargetName(set));
      break;
    }
  }
  hwy::GetChosenTarget().DeInit();
}

}  // namespace sluice::datatype::test
