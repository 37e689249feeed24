// What a kernel moves: blocks of bytes somewhere in a buffer, in the order in which they lie
// packed. docs/datatypes.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::datatype {

/// `count` copies of what is inside, each `stride` bytes behind the one before it. A stride may be
/// negative, zero, or less than what is inside spans: order and places are the datatype's, nothing
/// is sorted.
struct Dimension {
  std::int64_t count = 1;
  std::int64_t stride = 0;

  friend bool operator==(const Dimension&, const Dimension&) = default;
};

/// `bytes` contiguous bytes at `offset` from the place that the dimensions around them lead to.
struct Block {
  std::int64_t offset = 0;
  std::int64_t bytes = 0;

  friend bool operator==(const Block&, const Block&) = default;
};

/// What the dimensions of a shape repeat.
enum class Leaf : std::uint8_t {
  kBlock,    ///< one block of block_bytes at offset 0
  kRecord,   ///< the blocks of `fields`: few (at most kMaxFields), as a C struct has
  kIndexed,  ///< a block of block_bytes at each of `offsets`: an index list
  kRagged,   ///< the blocks of `fields`: many, of different lengths
};

/// More fields than this are a ragged list.
inline constexpr std::size_t kMaxFields = 16;

/// Blocks in packed order: for each step of dimensions[0], of dimensions[1], ..., the leaf.
/// `offset` is that of the first leaf from the address that the user passes. There is at least one
/// dimension, the outermost first, and no more of them than needed: two dimensions that are one are
/// one, and bytes that touch in order are one block. Does not own what its spans show: that lives
/// as long as the Layout that it belongs to.
struct Shape {
  Leaf leaf = Leaf::kBlock;
  std::int64_t offset = 0;
  std::int64_t block_bytes = 0;  ///< kBlock, kIndexed
  std::int64_t leaf_bytes = 0;   ///< packed bytes of one leaf: the sum of its blocks
  std::span<const Dimension> dimensions;
  std::span<const Block> fields;          ///< kRecord, kRagged
  std::span<const std::int64_t> offsets;  ///< kIndexed
};

}  // namespace sluice::datatype
