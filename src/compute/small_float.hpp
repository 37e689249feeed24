// The 16- and 8-bit floating-point formats: their constants and their conversions from and to
// float32.
//
// Widening is exact. Narrowing rounds once, to nearest, ties to even; every NaN becomes the
// format's one canonical NaN. What does not fit becomes infinity in float16 and bfloat16, and the
// largest finite number in the 8-bit formats, infinities included: what CUDA's
// __nv_cvt_float_to_fp8 does with __NV_SATFINITE.
#pragma once

#include <bit>
#include <cstdint>

#include "base/port.hpp"

namespace sluice::compute {

/// The canonical NaNs: what every NaN result is, whatever NaN went in.
inline constexpr std::uint32_t kNanFloat32 = 0x7fc0'0000;
inline constexpr std::uint64_t kNanFloat64 = 0x7ff8'0000'0000'0000;
inline constexpr std::uint16_t kNanBfloat16 = 0x7fc0;

/// A sign bit, `Exponent` bits and `Mantissa` bits, with subnormals. `Special`: the highest
/// exponent means infinity or NaN as in IEEE; otherwise only the code with all bits set is NaN.
template <unsigned Exponent, unsigned Mantissa, bool Special, std::uint32_t Nan,
          std::uint32_t Limit>
struct SmallFloat {
  static constexpr unsigned kExponentBits = Exponent;
  static constexpr unsigned kMantissaBits = Mantissa;
  static constexpr unsigned kBits = 1 + Exponent + Mantissa;
  static constexpr bool kSpecial = Special;
  static constexpr std::uint32_t kNan = Nan;
  static constexpr std::uint32_t kBias = (1u << (Exponent - 1)) - 1;
  static constexpr unsigned kDropped =
      23 - Mantissa;  // mantissa bits of float32 that are rounded away

  // All of these are bit patterns of float32 numbers or of the magnitude in float32's position.
  static constexpr std::uint32_t kRebias = (127 - kBias) << 23;
  static constexpr std::uint32_t kMinNormal = (128 - kBias) << 23;
  static constexpr std::uint32_t kSubnormalMagic = (151 - kBias - Mantissa)
                                                   << 23;  // its ulp: the subnormals'
  static constexpr std::uint32_t kLimit = Limit;  // magnitudes are cut to this before rounding
  static constexpr std::uint32_t kFirstSpecial =
      Special ? ((1u << Exponent) - 1) << 23 : ((1u << (Exponent + Mantissa)) - 1) << kDropped;
  static constexpr std::uint32_t kSpecialRebias =
      Special ? (255u << 23) - kFirstSpecial : kNanFloat32;
};

/// Limit 65536: rounds to infinity as everything from 65520 up does.
using Float16Format = SmallFloat<5, 10, true, 0x7e00, 0x4780'0000>;
/// Limit 448, the largest number.
using Float8E4M3Format = SmallFloat<4, 3, false, 0x7f, 0x43e0'0000>;
/// Limit 57344, the largest finite number.
using Float8E5M2Format = SmallFloat<5, 2, true, 0x7f, 0x4760'0000>;

template <class Format>
constexpr float small_to_float(std::uint32_t code) {
  const std::uint32_t sign = (code >> (Format::kBits - 1)) << 31;
  const std::uint32_t magnitude = (code & ((1u << (Format::kBits - 1)) - 1)) << Format::kDropped;
  std::uint32_t bits = magnitude + Format::kRebias;
  if (magnitude >= Format::kFirstSpecial) {
    bits = Format::kSpecial ? magnitude + Format::kSpecialRebias : Format::kSpecialRebias;
  } else if (magnitude < (1u << 23)) {
    bits = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude + Format::kMinNormal) -
                                        std::bit_cast<float>(Format::kMinNormal));
  }
  return std::bit_cast<float>(bits | sign);
}

template <class Format>
constexpr std::uint32_t float_to_small(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  std::uint32_t magnitude = bits & 0x7fff'ffff;
  if (magnitude > 0x7f80'0000) return Format::kNan;
  const std::uint32_t sign = (bits >> 31) << (Format::kBits - 1);
  if (magnitude > Format::kLimit) magnitude = Format::kLimit;
  if (magnitude <
      Format::kMinNormal) {  // the addition's own rounding leaves the code in the low bits
    const float sum =
        std::bit_cast<float>(magnitude) + std::bit_cast<float>(Format::kSubnormalMagic);
    return sign | (std::bit_cast<std::uint32_t>(sum) - Format::kSubnormalMagic);
  }
  const std::uint32_t odd = (magnitude >> Format::kDropped) & 1;
  const std::uint32_t half = (1u << (Format::kDropped - 1)) - 1;
  return sign | ((magnitude - Format::kRebias + half + odd) >> Format::kDropped);
}

/// Many instructions with branches: kernels of processors that have none for it call this.
template <class Format>
SLUICE_FN_APART std::uint8_t float_to_small_apart(float value) {
  return static_cast<std::uint8_t>(float_to_small<Format>(value));
}

/// The 8-bit formats by way of float16, where widening that is one instruction. Its exponent is
/// that of e5m2, and 8 more than that of e4m3; its subnormals hold theirs.
template <class WidenHalf>
SLUICE_FN float float8_e5m2_by_half(std::uint8_t code, WidenHalf widen) {
  return widen(static_cast<std::uint16_t>(code << 8));
}
template <class WidenHalf>
SLUICE_FN float float8_e4m3_by_half(std::uint8_t code, WidenHalf widen) {
  const auto half = static_cast<std::uint16_t>((code & 0x80) << 8 | (code & 0x7f) << 7);
  const float value = widen(half) * 256.0f;
  return (code & 0x7f) == 0x7f ? std::bit_cast<float>(kNanFloat32) : value;
}

constexpr float bfloat16_to_float(std::uint16_t code) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(code) << 16);
}

constexpr std::uint16_t float_to_bfloat16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fff'ffff) > 0x7f80'0000) return kNanBfloat16;
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace sluice::compute
