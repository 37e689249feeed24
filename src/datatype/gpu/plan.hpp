// What a kernel is told of a shape. No header of a GPU toolkit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "datatype/gpu/division.hpp"
#include "datatype/shape.hpp"

namespace sluice::datatype::gpu {

/// More dimensions than this are not moved by a kernel (make_plan says so).
inline constexpr std::size_t kMaxDimensions = 8;

/// How a leaf's blocks are found.
enum class Blocks : std::uint8_t { kOne, kEqual, kFields };

/// An argument of the kernels, passed by value. Bytes are counted in words of `word` bytes, which
/// divides every offset, stride and length of the shape, and both addresses.
struct Plan {
  Blocks blocks = Blocks::kOne;
  std::uint32_t word = 1;
  std::uint32_t dimensions = 0;
  std::uint64_t words = 0;  ///< of the packed form
  std::int64_t offset = 0;  ///< bytes
  Divisor leaf_words;       ///< packed words of a leaf
  Divisor block_words;      ///< kEqual
  std::int64_t strides[kMaxDimensions] = {};
  Divisor counts[kMaxDimensions];  ///< that of the outermost is not needed

  /// kEqual: the offset of each block. kFields: of each block, and one more `packed_before` that is
  /// the leaf's words. Where the kernel can read them: Tables in device memory.
  const std::int64_t* offsets = nullptr;
  const std::uint64_t* packed_before = nullptr;
  std::uint32_t fields = 0;
};

/// The tables of a leaf, to be copied to where the kernel can read them; empty for Leaf::kBlock.
/// `packed_before` is in bytes, so one copy serves every word size.
struct Tables {
  std::vector<std::int64_t> offsets;
  std::vector<std::uint64_t> packed_before;
};
Tables make_tables(const Shape& shape);

/// The plan for these buffers; `offsets` and `packed_before` are those of make_tables() where the
/// kernel can read them. `words` is 0 where there is nothing to move, and `dimensions` 0 where
/// kernels cannot move the shape: more than kMaxDimensions, or more fields than 32 bits count.
/// Looks at each entry of the shape's tables once. Only the first `most_bytes` of the packed form
/// are moved: what a message brought that is shorter than what was waited for.
Plan make_plan(const Shape& shape, std::int64_t outer_count, const void* user, const void* packed,
               const std::int64_t* offsets, const std::uint64_t* packed_before,
               std::uint64_t most_bytes = ~std::uint64_t{0});

}  // namespace sluice::datatype::gpu
