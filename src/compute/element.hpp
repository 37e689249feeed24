// What one element of each DataType is: how it is stored and what it is computed in.
#pragma once

#include <bit>
#include <cstdint>

#include "base/port.hpp"
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
  SLUICE_FN static Wide widen(Stored value) { return bfloat16_to_float(value); }
  SLUICE_FN static Stored narrow(Wide value) {
    if constexpr (port::kConvertsBfloat16)
      return value == value ? port::narrow_bfloat16(value) : kNanBfloat16;
    else
      return float_to_bfloat16(value);
  }
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

struct Float16 : SmallElement<Float16Format, std::uint16_t> {
  SLUICE_FN static Wide widen(Stored value) {
    if constexpr (port::kConvertsFloat16)
      return port::widen_float16(value);
    else
      return SmallElement::widen(value);
  }
  SLUICE_FN static Stored narrow(Wide value) {
    if constexpr (port::kConvertsFloat16)
      return value == value ? port::narrow_float16(value) : static_cast<Stored>(Format::kNan);
    else
      return SmallElement::narrow(value);
  }
};

struct Float8E4M3 : SmallElement<Float8E4M3Format, std::uint8_t> {
  SLUICE_FN static Wide widen(Stored value) {
    if constexpr (port::kConvertsFloat16)
      return float8_e4m3_by_half(value,
                                 [](std::uint16_t half) { return port::widen_float16(half); });
    else
      return SmallElement::widen(value);
  }
  SLUICE_FN static Stored narrow(Wide value) {
    if constexpr (port::kConvertsFloat8)
      return port::narrow_float8_e4m3(value);
    else
      return float_to_small_apart<Format>(value);
  }
};

struct Float8E5M2 : SmallElement<Float8E5M2Format, std::uint8_t> {
  SLUICE_FN static Wide widen(Stored value) {
    if constexpr (port::kConvertsFloat16)
      return float8_e5m2_by_half(value,
                                 [](std::uint16_t half) { return port::widen_float16(half); });
    else
      return SmallElement::widen(value);
  }
  SLUICE_FN static Stored narrow(Wide value) {
    if constexpr (port::kConvertsFloat8)
      return port::narrow_float8_e5m2(value);
    else
      return float_to_small_apart<Format>(value);
  }
};

}  // namespace sluice::compute
