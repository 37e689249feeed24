// Which two dimensions of a shape are moved in tiles.
#pragma once

#include <cstddef>
#include <cstdint>

#include "datatype/shape.hpp"

namespace sluice::datatype {

struct TransposePlan {
  std::size_t outer;         ///< the dimension that is tiled together with the innermost one
  std::int64_t outer_count;  ///< of dimension 0
};

/// Of all dimensions but the innermost one, that with the smallest stride.
inline std::size_t outer_of(const Shape& shape) {
  std::size_t best = 0;
  const auto length = [](std::int64_t stride) { return stride < 0 ? -stride : stride; };
  for (std::size_t k = 1; k + 1 < shape.dimensions.size(); ++k)
    if (length(shape.dimensions[k].stride) < length(shape.dimensions[best].stride)) best = k;
  return best;
}

/// Packed bytes of one step of this dimension. Not that of dimension 0 is needed for it, which the
/// caller may change.
inline std::int64_t packed_stride(const Shape& shape, std::size_t dimension) {
  std::int64_t bytes = shape.leaf_bytes;
  for (std::size_t k = dimension + 1; k < shape.dimensions.size(); ++k)
    bytes *= shape.dimensions[k].count;
  return bytes;
}

/// Whether neighbours along the outer dimension share cache lines, and neighbours along the
/// innermost one do not.
inline bool worth_transposing(const Shape& shape) {
  constexpr std::int64_t kMaxBlock = 32;
  constexpr std::int64_t kLineBytes = 64;
  constexpr std::int64_t kMinInner = 4;
  if (shape.dimensions.size() < 2 || shape.block_bytes > kMaxBlock) return false;
  const Dimension inner = shape.dimensions.back();
  const std::int64_t outer_stride = shape.dimensions[outer_of(shape)].stride;
  const std::int64_t outer = outer_stride < 0 ? -outer_stride : outer_stride;
  const std::int64_t inner_length = inner.stride < 0 ? -inner.stride : inner.stride;
  return inner.count >= kMinInner && outer != 0 && outer < inner_length && outer < kLineBytes;
}

}  // namespace sluice::datatype
