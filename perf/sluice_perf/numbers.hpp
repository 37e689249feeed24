// Element types as bit patterns: exact conversion of small numbers, written without the library's
// own conversions, so that a fault there cannot hide itself.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sluice/types.hpp"

namespace sluice::perf {

/// What an element type can hold without rounding.
struct NumberTraits {
  bool floating;
  bool signed_integer;
  int exponent_bits;  // floating types
  int mantissa_bits;  // stored bits, without the hidden one
  std::int64_t
      exact_max;     // every integer in [-exact_max, exact_max] is exact (unsigned: [0, exact_max])
  int exponent_max;  // 2^e is a normal number for every e in [-exponent_max, exponent_max]
};
NumberTraits traits_of(DataType type);

/// Writes `value` as an element of a floating-point type. It must be exact there and not subnormal.
void store_float(std::byte* at, DataType type, double value);

/// Writes `value` modulo 2^bits as an element of an integer type.
void store_integer(std::byte* at, DataType type, std::uint64_t value);

/// `value` modulo 2^bits, sign- or zero-extended to 64 bits as the integer type has it.
std::uint64_t wrap(DataType type, std::uint64_t value);

}  // namespace sluice::perf
