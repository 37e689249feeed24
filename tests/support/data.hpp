// Data for the collectives' tests: every rank's elements repeat with a prime period, so buffers of
// any size are filled and compared quickly, and what the reductions must give is computed for one
// period, one element at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/sluice.hpp"

namespace sluice::test {

/// One period of elements. Element i of a buffer is element i % kPeriod of its tile.
struct Tile {
  static constexpr std::uint64_t kPeriod = 251;

  std::size_t elem_bytes = 1;
  std::vector<std::uint8_t> bytes;  // kPeriod elements, twice in a row

  /// to[0, count) = elements first, first + 1, ...
  void fill(std::byte* to, std::uint64_t first, std::uint64_t count) const;
  /// The first of `count` elements at `from` that is not what fill() would write; `count` when all
  /// are.
  std::uint64_t mismatch(const std::byte* from, std::uint64_t first, std::uint64_t count) const;
  /// Element i in hexadecimal.
  std::string element(std::uint64_t i) const;
};
using TilePointer = std::shared_ptr<const Tile>;

enum class Values {
  kReal,   // any bits: NaN, infinities, fractions; equal bits only for the same order of additions
  kExact,  // small whole numbers: every order of additions gives the same bits
};

/// What rank `rank` contributes. Cached; thread-safe.
TilePointer input_tile(DataType type, ReduceOp op, Values values, int rank);

/// The scale of rank `rank` in a pre-multiplied sum, and the plain operator in all others.
Reduction reduction_of(DataType type, ReduceOp op, Values values, int rank);

/// The reduction of the input_tile()s of ranks 0, 1, ... in that order, float32 for the small
/// formats, rounded once.
TilePointer reduced_tile(DataType type, ReduceOp op, Values values, int ranks);

}  // namespace sluice::test
