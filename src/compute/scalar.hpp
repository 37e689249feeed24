// The arithmetic of one element in plain C++, for the host and for kernels.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "base/port.hpp"

namespace sluice::compute::scalar {

template <class T>
using WrapType = std::conditional_t<(sizeof(T) < 4), std::uint32_t, std::make_unsigned_t<T>>;

struct Sum {
  template <class T>
  SLUICE_FN static T combine(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a + b;
    else
      return static_cast<T>(static_cast<WrapType<T>>(a) + static_cast<WrapType<T>>(b));
  }
};

struct Product {
  template <class T>
  SLUICE_FN static T combine(T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a * b;
    else
      return static_cast<T>(static_cast<WrapType<T>>(a) * static_cast<WrapType<T>>(b));
  }
};

template <bool kMaximum>
struct Extreme {
  template <class T>
  SLUICE_FN static T combine(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      if (a != a) return a;
      if (b != b) return b;
      if (a == b) return (a < 0 || a > 0 || is_negative(a) != kMaximum) ? a : b;  // -0 is below +0
    }
    return (kMaximum ? a < b : b < a) ? b : a;
  }
  SLUICE_FN static bool is_negative(float value) {
    return std::bit_cast<std::uint32_t>(value) >> 31 != 0;
  }
  SLUICE_FN static bool is_negative(double value) {
    return std::bit_cast<std::uint64_t>(value) >> 63 != 0;
  }
};

/// A division of integers is many instructions in a kernel, and averages of them are rare.
template <class T>
SLUICE_FN_APART T divide(T sum, std::uint32_t divisor) {
  using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
  return static_cast<T>(static_cast<Wide>(sum) / static_cast<Wide>(divisor));  // always fits
}

/// sum / divisor, truncated towards zero in the type's own signedness; a divisor of 0 or 1 is none.
template <class T>
SLUICE_FN T average(T sum, std::uint32_t divisor) {
  if (divisor <= 1) return sum;
  if constexpr (std::is_floating_point_v<T>)
    return sum / static_cast<T>(divisor);
  else
    return divide(sum, divisor);
}

}  // namespace sluice::compute::scalar
