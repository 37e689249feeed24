#include "sluice_perf/data.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "sluice_perf/numbers.hpp"

namespace sluice::perf {
namespace {

std::uint64_t mix(std::uint64_t x) {  // the finaliser of splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::uint64_t hash(std::uint64_t stream, std::uint64_t index) {
  return mix(mix((stream + 1) * 0x9e3779b97f4a7c15ULL) + index);
}

/// Uniform enough in [-limit, limit].
std::int64_t pick(std::uint64_t random, std::int64_t limit) {
  return static_cast<std::int64_t>(random % static_cast<std::uint64_t>(2 * limit + 1)) - limit;
}

constexpr std::uint64_t kSharedStream = 1ULL << 40;  // no rank's number

}  // namespace

Pattern::Pattern(std::size_t elem_bytes, std::size_t length_elems)
    : elem_bytes_(elem_bytes), length_elems_(std::min(length_elems, kPeriodElems)) {
  bytes_.resize(elem_bytes_ * length_elems_);
}

void Pattern::fill(std::byte* destination, std::size_t first, std::size_t count) const {
  while (count > 0) {
    const std::size_t begin = first % length_elems_;
    const std::size_t elems = std::min(count, length_elems_ - begin);
    std::memcpy(destination, bytes_.data() + begin * elem_bytes_, elems * elem_bytes_);
    destination += elems * elem_bytes_;
    first += elems;
    count -= elems;
  }
}

std::size_t Pattern::count_wrong(const std::byte* source, std::size_t first,
                                 std::size_t count) const {
  std::size_t wrong = 0;
  while (count > 0) {
    const std::size_t begin = first % length_elems_;
    const std::size_t elems = std::min(count, length_elems_ - begin);
    const std::byte* want = bytes_.data() + begin * elem_bytes_;
    if (std::memcmp(source, want, elems * elem_bytes_) != 0) {
      for (std::size_t at = 0; at < elems * elem_bytes_; at += elem_bytes_)
        wrong += std::memcmp(source + at, want + at, elem_bytes_) != 0;
    }
    source += elems * elem_bytes_;
    first += elems;
    count -= elems;
  }
  return wrong;
}

ReductionData::ReductionData(DataType type, ReduceOp op, int ranks)
    : type_(type), op_(op), ranks_(ranks), floating_(traits_of(type).floating) {
  const NumberTraits traits = traits_of(type);
  if (op == ReduceOp::kAverage) {
    magnitude_ = traits.exact_max / ranks;  // 0: only pairs that cancel
    return;
  }
  if (!floating_) return;
  // The budget is what the absolute values of one element may add up to over all ranks.
  std::int64_t budget = traits.exact_max;
  if (op == ReduceOp::kProduct) budget = traits.exponent_max;
  if (op == ReduceOp::kPreMulSum) budget /= 2;  // |scale| <= 2
  if (op == ReduceOp::kMin || op == ReduceOp::kMax) {
    magnitude_ = budget;
    return;
  }
  const auto round_up = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  one_in_ = static_cast<std::uint64_t>(round_up(ranks, budget));
  magnitude_ = budget / round_up(ranks, static_cast<std::int64_t>(one_in_));
}

std::int64_t ReductionData::scale(int rank) const {
  constexpr std::int64_t kFloatScales[] = {1, 2, -1};
  return floating_ ? kFloatScales[rank % 3] : 1 + rank % 7;
}

Reduction ReductionData::reduction(int rank) const {
  if (op_ == ReduceOp::kPreMulSum) return Reduction::pre_multiplied_sum(scale(rank));
  return Reduction(op_);
}

bool ReductionData::contributes(int rank, std::uint64_t index) const {
  return (static_cast<std::uint64_t>(rank) + hash(kSharedStream, index) % one_in_) % one_in_ == 0;
}

// A common value and, on pairs of ranks, a difference that cancels: the mean is the common value
// exactly.
std::int64_t ReductionData::average_input(int rank, std::uint64_t index) const {
  const NumberTraits traits = traits_of(type_);
  const std::uint64_t shared = hash(kSharedStream, index);
  const std::uint64_t pair = hash(kSharedStream + 1 + static_cast<std::uint64_t>(rank / 2), index);
  const bool paired = (rank ^ 1) < ranks_;
  const std::int64_t sign = (rank % 2 == 0) == (pair >> 63 == 0) ? 1 : -1;

  if (magnitude_ == 0) {
    const bool within_budget = (rank | 1) < traits.exact_max;
    return paired && within_budget && traits.signed_integer
               ? sign * static_cast<std::int64_t>(pair % 2)
               : 0;
  }
  if (magnitude_ == 1)
    return traits.signed_integer ? pick(shared, 1) : static_cast<std::int64_t>(shared % 2);
  const std::int64_t half = magnitude_ / 2;
  const std::int64_t common =
      traits.signed_integer
          ? pick(shared, half)
          : half + static_cast<std::int64_t>(shared % static_cast<std::uint64_t>(half + 1));
  const auto difference = static_cast<std::int64_t>(pair % static_cast<std::uint64_t>(half + 1));
  return paired ? common + sign * difference : common;
}

double ReductionData::float_input(int rank, std::uint64_t index) const {
  const std::uint64_t random = hash(static_cast<std::uint64_t>(rank), index);
  const double sign = random >> 63 == 0 ? 1 : -1;
  switch (op_) {
    case ReduceOp::kAverage: return static_cast<double>(average_input(rank, index));
    case ReduceOp::kMin:
    case ReduceOp::kMax:  // never zero: the order of -0 and +0 is nobody's promise
      return sign * static_cast<double>(1 + random % static_cast<std::uint64_t>(magnitude_));
    case ReduceOp::kProduct:
      return contributes(rank, index) ? sign * std::ldexp(1.0, static_cast<int>(pick(random, 1)))
                                      : sign;
    case ReduceOp::kSum:
    case ReduceOp::kPreMulSum: break;
  }
  return contributes(rank, index) ? static_cast<double>(pick(random, magnitude_)) : 0.0;
}

std::uint64_t ReductionData::integer_input(int rank, std::uint64_t index) const {
  if (op_ == ReduceOp::kAverage) return static_cast<std::uint64_t>(average_input(rank, index));
  const std::uint64_t random = hash(static_cast<std::uint64_t>(rank), index);
  // Odd factors: a product of arbitrary ones would soon be 0.
  return wrap(type_, op_ == ReduceOp::kProduct ? random | 1 : random);
}

double ReductionData::float_expected(std::uint64_t index) const {
  double result =
      float_input(0, index) * static_cast<double>(op_ == ReduceOp::kPreMulSum ? scale(0) : 1);
  for (int rank = 1; rank < ranks_; ++rank) {
    const double input = float_input(rank, index);
    switch (op_) {
      case ReduceOp::kSum:
      case ReduceOp::kAverage: result += input; break;
      case ReduceOp::kPreMulSum: result += input * static_cast<double>(scale(rank)); break;
      case ReduceOp::kProduct: result *= input; break;
      case ReduceOp::kMin: result = std::min(result, input); break;
      case ReduceOp::kMax: result = std::max(result, input); break;
    }
  }
  return op_ == ReduceOp::kAverage ? result / ranks_ : result;
}

std::uint64_t ReductionData::integer_expected(std::uint64_t index) const {
  const bool is_signed = traits_of(type_).signed_integer;
  const auto less = [is_signed](std::uint64_t a, std::uint64_t b) {
    return is_signed ? static_cast<std::int64_t>(a) < static_cast<std::int64_t>(b) : a < b;
  };
  std::uint64_t result = integer_input(0, index);
  if (op_ == ReduceOp::kPreMulSum) result *= static_cast<std::uint64_t>(scale(0));
  for (int rank = 1; rank < ranks_; ++rank) {
    const std::uint64_t input = integer_input(rank, index);
    switch (op_) {
      case ReduceOp::kSum:
      case ReduceOp::kAverage: result += input; break;
      case ReduceOp::kPreMulSum: result += input * static_cast<std::uint64_t>(scale(rank)); break;
      case ReduceOp::kProduct: result *= input; break;
      case ReduceOp::kMin: result = std::min(result, input, less); break;
      case ReduceOp::kMax: result = std::max(result, input, less); break;
    }
  }
  if (op_ != ReduceOp::kAverage) return result;
  if (!is_signed) return result / static_cast<std::uint64_t>(ranks_);
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(result) / ranks_);
}

Pattern ReductionData::input(int rank, std::size_t length_elems) const {
  Pattern pattern(size_in_bytes(type_), length_elems);
  for (std::size_t i = 0; i < pattern.length_elems(); ++i) {
    if (floating_)
      store_float(pattern.at(i), type_, float_input(rank, i));
    else
      store_integer(pattern.at(i), type_, integer_input(rank, i));
  }
  return pattern;
}

Pattern ReductionData::expected(std::size_t length_elems) const {
  Pattern pattern(size_in_bytes(type_), length_elems);
  for (std::size_t i = 0; i < pattern.length_elems(); ++i) {
    if (floating_)
      store_float(pattern.at(i), type_, float_expected(i));
    else
      store_integer(pattern.at(i), type_, integer_expected(i));
  }
  return pattern;
}

Pattern arbitrary_bits(int rank, std::size_t elem_bytes, std::size_t length_elems) {
  Pattern pattern(elem_bytes, length_elems);
  for (std::size_t i = 0; i < pattern.length_elems(); ++i) {
    const std::uint64_t random = hash(static_cast<std::uint64_t>(rank), i);
    std::memcpy(pattern.at(i), &random, elem_bytes);
  }
  return pattern;
}

}  // namespace sluice::perf
