// Division by a number that is known before the kernel: a multiplication and a shift. 64 bits.
#pragma once

#include <bit>
#include <cstdint>

#include "base/port.hpp"

namespace sluice::datatype::gpu {

/// Divides any numerator below 2^63 by `divisor`, 1 to 2^63 - 1.
///
/// With s = ceil(log2 d) and m = floor(2^64 (2^s - d) / d) + 1, n / d is (n + the high half of m n)
/// >> s for all n of 64 bits; n below 2^63 keeps the sum in 64 bits.
struct Divisor {
  std::uint64_t divisor = 1;
  std::uint64_t factor = 1;
  unsigned shift = 0;

  Divisor() = default;
  explicit Divisor(std::uint64_t by) : divisor(by), shift(by <= 1 ? 0 : std::bit_width(by - 1)) {
    const Wide above = (Wide{1} << shift) - by;
    factor = static_cast<std::uint64_t>((above << 64) / by) + 1;
  }

  SLUICE_FN std::uint64_t quotient(std::uint64_t n) const {
    const auto high = static_cast<std::uint64_t>((static_cast<Wide>(factor) * n) >> 64);
    return (n + high) >> shift;
  }

 private:
  __extension__ typedef unsigned __int128 Wide;
};

/// Takes the remainder's place of `n` and returns the quotient.
SLUICE_FN std::uint64_t divide(std::uint64_t& n, const Divisor& by) {
  const std::uint64_t quotient = by.quotient(n);
  n -= quotient * by.divisor;
  return quotient;
}

}  // namespace sluice::datatype::gpu
