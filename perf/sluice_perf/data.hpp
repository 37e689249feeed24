// The test data: what each rank puts in, and what the reduction of it must be.
//
// Inputs depend on rank and index (a hash) and are chosen so that every partial result is exact in
// the element type: any order of additions, any chunking and any accumulator give the same bits,
// and so a result is either equal or wrong. For floating types the numbers are small integers;
// where the type is too narrow for a number from every rank (8-bit floats have 8 or 16 exact
// integers), only some ranks contribute to an element, and which ones changes from element to
// element. Integers use all their bits and wrap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/communicator.hpp"
#include "sluice/types.hpp"

namespace sluice::perf {

/// A sequence of elements, defined for every index, that repeats after a prime number of them.
/// Chunk borders in the library are round numbers, so data that lands in the wrong place meets
/// other values.
class Pattern {
 public:
  static constexpr std::size_t kPeriodElems = 65'521;

  Pattern(std::size_t elem_bytes, std::size_t length_elems);

  /// Elements [first, first + count) of the sequence to `destination`.
  void fill(std::byte* destination, std::size_t first, std::size_t count) const;
  /// How many of the `count` elements at `source` differ in any bit from elements [first, first +
  /// count).
  std::size_t count_wrong(const std::byte* source, std::size_t first, std::size_t count) const;

  std::byte* at(std::size_t index) { return bytes_.data() + index * elem_bytes_; }
  std::size_t length_elems() const { return length_elems_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t elem_bytes_;
  std::size_t length_elems_;
};

/// How the inputs of one reduction over `ranks` ranks are made.
class ReductionData {
 public:
  ReductionData(DataType type, ReduceOp op, int ranks);

  /// What `rank` passes to the library: the operator, and for mulsum this rank's scale.
  Reduction reduction(int rank) const;
  /// Input of `rank`, for sequences of up to `length_elems` elements.
  Pattern input(int rank, std::size_t length_elems) const;
  /// The result over all ranks.
  Pattern expected(std::size_t length_elems) const;

 private:
  double float_input(int rank, std::uint64_t index) const;
  std::uint64_t integer_input(int rank, std::uint64_t index) const;
  std::int64_t average_input(int rank, std::uint64_t index) const;
  double float_expected(std::uint64_t index) const;
  std::uint64_t integer_expected(std::uint64_t index) const;
  bool contributes(int rank, std::uint64_t index) const;
  std::int64_t scale(int rank) const;

  DataType type_;
  ReduceOp op_;
  int ranks_;
  bool floating_;
  std::uint64_t one_in_ = 1;    // one rank in this many contributes to an element
  std::int64_t magnitude_ = 1;  // largest absolute value of a contribution
};

/// Arbitrary bits, for collectives that only move data.
Pattern arbitrary_bits(int rank, std::size_t elem_bytes, std::size_t length_elems);

}  // namespace sluice::perf
