#include "datatype/gpu/plan.hpp"

#include <algorithm>
#include <bit>

namespace sluice::datatype::gpu {
namespace {

constexpr std::uint64_t kMaxWord = 16;

/// The largest power of two up to kMaxWord that divides all that was joined.
class CommonWord {
 public:
  void join(std::int64_t bytes) { bits_ |= static_cast<std::uint64_t>(bytes); }
  void join(const void* address) { bits_ |= reinterpret_cast<std::uintptr_t>(address); }
  std::uint32_t word() const { return std::uint32_t{1} << std::countr_zero(bits_ | kMaxWord); }

 private:
  std::uint64_t bits_ = 0;
};

std::uint32_t word_of(const Shape& shape, const void* user, const void* packed,
                      std::uint64_t bytes) {
  CommonWord common;
  common.join(static_cast<std::int64_t>(bytes));
  common.join(user);
  common.join(packed);
  common.join(shape.offset);
  for (const Dimension& d : shape.dimensions) common.join(d.stride);
  if (shape.leaf == Leaf::kBlock || shape.leaf == Leaf::kIndexed) common.join(shape.block_bytes);
  for (const std::int64_t offset : shape.offsets) common.join(offset);
  for (const Block& field : shape.fields) {
    common.join(field.offset);
    common.join(field.bytes);
  }
  return common.word();
}

}  // namespace

Tables make_tables(const Shape& shape) {
  Tables tables;
  if (shape.leaf == Leaf::kIndexed)
    tables.offsets.assign(shape.offsets.begin(), shape.offsets.end());
  if (shape.leaf != Leaf::kRecord && shape.leaf != Leaf::kRagged) return tables;
  std::uint64_t before = 0;
  for (const Block& field : shape.fields) {
    tables.offsets.push_back(field.offset);
    tables.packed_before.push_back(before);
    before += static_cast<std::uint64_t>(field.bytes);
  }
  tables.packed_before.push_back(before);
  return tables;
}

Plan make_plan(const Shape& shape, std::int64_t outer_count, const void* user, const void* packed,
               const std::int64_t* offsets, const std::uint64_t* packed_before,
               std::uint64_t most_bytes) {
  Plan plan;
  if (shape.dimensions.size() > kMaxDimensions || shape.fields.size() > UINT32_MAX) return plan;
  plan.dimensions = static_cast<std::uint32_t>(shape.dimensions.size());
  std::int64_t leaves = std::max<std::int64_t>(outer_count, 0);
  for (std::size_t d = 0; d < plan.dimensions; ++d) {
    plan.strides[d] = shape.dimensions[d].stride;
    if (d > 0) leaves *= shape.dimensions[d].count;
    if (d > 0 && shape.dimensions[d].count > 0)
      plan.counts[d] = Divisor(static_cast<std::uint64_t>(shape.dimensions[d].count));
  }
  if (leaves == 0 || shape.leaf_bytes == 0) return plan;
  const auto leaf_bytes = static_cast<std::uint64_t>(shape.leaf_bytes);
  const std::uint64_t bytes = std::min(most_bytes, static_cast<std::uint64_t>(leaves) * leaf_bytes);
  plan.word = word_of(shape, user, packed, bytes);
  const std::uint64_t leaf_words = leaf_bytes / plan.word;
  plan.words = bytes / plan.word;
  plan.offset = shape.offset;
  plan.leaf_words = Divisor(leaf_words);
  plan.offsets = offsets;
  plan.packed_before = packed_before;
  plan.fields = static_cast<std::uint32_t>(shape.fields.size());
  if (shape.leaf == Leaf::kIndexed) {
    plan.blocks = Blocks::kEqual;
    plan.block_words = Divisor(static_cast<std::uint64_t>(shape.block_bytes) / plan.word);
  } else if (shape.leaf != Leaf::kBlock) {
    plan.blocks = Blocks::kFields;
  }
  return plan;
}

}  // namespace sluice::datatype::gpu
