// What one element of each DataType is: how it is stored and what it is computed in.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "compute/small_float.hpp"
#include "sluice/types.hpp"

namespace sluice::compute {

template <class T>
struct Arithmetic {
  using Stored = T;
  using Wide = T;
  static constexpr Wide widen(Stored value) { return value; }
  static constexpr Stored narrow(Wide value) { return value; }
};

struct Float32 : Arithmetic<float> {
  static constexpr float narrow(float value) {
    return value == value ? value : std::bit_cast<float>(kNanFloat32);
  }
};

struct Float64 : Arithmetic<double> {
  static constexpr double narrow(double value) {
    return value == value ? value : std::bit_cast<double>(kNanFloat64);
  }
};

struct Bfloat16 {
  using Stored = std::uint16_t;
  using Wide = float;
  static constexpr Wide widen(Stored value) { return bfloat16_to_float(value); }
  static constexpr Stored narrow(Wide value) { return float_to_bfloat16(value); }
};

template <class F, class Code>
struct SmallElement {
  using Format = F;
  using Stored = Code;
  using Wide = float;
  static constexpr Wide widen(Stored value) { return small_to_float<F>(value); }
  static constexpr Stored narrow(Wide value) {
    return static_cast<Stored>(float_to_small<F>(value));
  }
};
using Float16 = SmallElement<Float16Format, std::uint16_t>;
using Float8E4M3 = SmallElement<Float8E4M3Format, std::uint8_t>;
using Float8E5M2 = SmallElement<Float8E5M2Format, std::uint8_t>;

/// sum / divisor in the type's own signedness; divisor > 1, so the quotient always fits.
template <class T>
constexpr T divide_integer(T sum, std::uint32_t divisor) {
  using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
  return static_cast<T>(static_cast<Wide>(sum) / static_cast<Wide>(divisor));
}

}  // namespace sluice::compute
