// Raw vectors to vectors that can be computed with, and back. Included once per instruction set
// (Highway).
//
// A raw vector holds N bytes of memory: any power of two from 4 (but at least an element) to the
// register's width. Its kParts wide vectors hold its elements in an order that only unpack() and
// pack() know: elements never meet their neighbours, so for most types no element leaves its 32-bit
// lane on the way.
#if defined(SLUICE_COMPUTE_REDUCE_CODECS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_COMPUTE_REDUCE_CODECS_INL
#undef SLUICE_COMPUTE_REDUCE_CODECS_INL
#else
#define SLUICE_COMPUTE_REDUCE_CODECS_INL
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

#include "compute/element.hpp"
#include "compute/targets.hpp"

#if SLUICE_COMPUTE_VECTOR_TARGET

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <std::size_t N>
using Raw = hn::Simd<std::uint8_t, N, 0>;
template <class D>
using RawOf = hn::Repartition<std::uint8_t, D>;

/// NaN results have one bit pattern, so that they depend neither on which operand the compiler put
/// first nor on the instruction set.
template <class DF>
HWY_INLINE hn::Vec<DF> canonical(DF df, hn::Vec<DF> value) {
  const hn::RebindToUnsigned<DF> du;
  using Bits = hn::TFromD<decltype(du)>;
  constexpr Bits kNan = static_cast<Bits>(sizeof(Bits) == 4 ? kNanFloat32 : kNanFloat64);
  return hn::IfThenElse(hn::IsNaN(value), hn::BitCast(df, hn::Set(du, kNan)), value);
}

/// Types that are computed in as they are stored.
template <class Element>
struct Codec {
  using Lane = typename Element::Stored;
  static constexpr std::size_t kParts = 1;

  template <class D8, class D>
  static HWY_INLINE void unpack(D8, D d, hn::Vec<D8> raw, hn::Vec<D>* wide) {
    wide[0] = hn::BitCast(d, raw);
  }
  template <class D8, class D>
  static HWY_INLINE hn::Vec<D8> pack(D8 d8, D d, const hn::Vec<D>* wide) {
    if constexpr (hwy::IsFloat<Lane>())
      return hn::BitCast(d8, canonical(d, wide[0]));
    else
      return hn::BitCast(d8, wide[0]);
  }
};

/// A bfloat16 is the upper half of a float32: each 32-bit lane holds an even and an odd element.
template <>
struct Codec<Bfloat16> {
  using Lane = float;
  static constexpr std::size_t kParts = 2;

  template <class D8, class D>
  static HWY_INLINE void unpack(D8, D df, hn::Vec<D8> raw, hn::Vec<D>* wide) {
    const hn::RebindToUnsigned<D> du;
    const auto bits = hn::BitCast(du, raw);
    wide[0] = hn::BitCast(df, hn::ShiftLeft<16>(bits));
    wide[1] = hn::BitCast(df, hn::And(bits, hn::Set(du, 0xffff'0000u)));
  }
  template <class D8, class D>
  static HWY_INLINE hn::Vec<D8> pack(D8 d8, D df, const hn::Vec<D>* wide) {
    const hn::RebindToUnsigned<D> du;
    const auto even = hn::ShiftRight<16>(round(df, wide[0]));
    const auto odd = hn::And(round(df, wide[1]), hn::Set(du, 0xffff'0000u));
    return hn::BitCast(d8, hn::Or(even, odd));
  }

 private:
  // Integer arithmetic, because Highway's DemoteTo and AVX-512's vcvtneps2bf16 do not round like
  // this.
  template <class D>
  static HWY_INLINE hn::Vec<hn::RebindToUnsigned<D>> round(D df, hn::Vec<D> value) {
    const hn::RebindToUnsigned<D> du;
    const auto bits = hn::BitCast(du, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
    const auto rounded = hn::Add(hn::Add(bits, hn::Set(du, 0x7fffu)), odd);
    const auto nan = hn::Set(du, kNanFloat32);
    return hn::BitCast(
        du, hn::IfThenElse(hn::IsNaN(value), hn::BitCast(df, nan), hn::BitCast(df, rounded)));
  }
};

/// `top` has the code in its highest bits, zeros below. Integer steps, and one exact subtraction
/// for subnormals: no float32 subnormal ever enters arithmetic, where it might be slow or flushed
/// to zero.
template <class Format, class DF>
HWY_INLINE hn::Vec<DF> decode_small(DF df, hn::Vec<hn::RebindToUnsigned<DF>> top) {
  const hn::RebindToUnsigned<DF> du;
  const hn::RebindToSigned<DF> di;
  const auto sign = hn::And(top, hn::Set(du, 0x8000'0000u));
  const auto magnitude =
      hn::BitCast(di, hn::ShiftRight<8 - Format::kExponentBits>(hn::Xor(top, sign)));
  const auto constant = [di](std::uint32_t bits)
                            HWY_ATTR { return hn::Set(di, static_cast<std::int32_t>(bits)); };
  const auto normal = hn::Add(magnitude, constant(Format::kRebias));
  const auto offset = constant(Format::kMinNormal);
  const auto subnormal = hn::BitCast(
      di, hn::Sub(hn::BitCast(df, hn::Add(magnitude, offset)), hn::BitCast(df, offset)));
  const auto finite = hn::IfThenElse(hn::Lt(magnitude, constant(1u << 23)), subnormal, normal);
  auto special = constant(Format::kSpecialRebias);
  if constexpr (Format::kSpecial) special = hn::Add(magnitude, special);
  const auto result =
      hn::IfThenElse(hn::Gt(magnitude, constant(Format::kFirstSpecial - 1)), special, finite);
  return hn::BitCast(df, hn::Or(hn::BitCast(du, result), sign));
}

/// The codes, in the low bits of the lanes.
template <class Format, class DF>
HWY_INLINE hn::Vec<hn::RebindToUnsigned<DF>> encode_small(DF df, hn::Vec<DF> value) {
  const hn::RebindToUnsigned<DF> du;
  const hn::RebindToSigned<DF> di;
  const auto bits = hn::BitCast(du, value);
  const auto sign = hn::And(bits, hn::Set(du, 0x8000'0000u));
  const auto limited = hn::Min(hn::Abs(value), hn::BitCast(df, hn::Set(du, Format::kLimit)));
  const auto magnitude = hn::BitCast(du, limited);

  const auto odd = hn::And(hn::ShiftRight<Format::kDropped>(magnitude), hn::Set(du, 1u));
  constexpr std::uint32_t kOffset = (1u << (Format::kDropped - 1)) - 1 - Format::kRebias;
  const auto normal =
      hn::ShiftRight<Format::kDropped>(hn::Add(hn::Add(magnitude, hn::Set(du, kOffset)), odd));
  const auto magic = hn::Set(du, Format::kSubnormalMagic);
  const auto subnormal = hn::Sub(hn::BitCast(du, hn::Add(limited, hn::BitCast(df, magic))), magic);

  const auto min_normal = hn::Set(di, static_cast<std::int32_t>(Format::kMinNormal));
  const auto is_subnormal = hn::Lt(hn::BitCast(di, magnitude), min_normal);
  const auto finite =
      hn::IfThenElse(is_subnormal, hn::BitCast(di, subnormal), hn::BitCast(di, normal));
  const auto code = hn::Or(hn::BitCast(du, finite), hn::ShiftRight<32 - Format::kBits>(sign));
  const auto nan = hn::BitCast(df, hn::Set(du, Format::kNan));
  return hn::BitCast(du, hn::IfThenElse(hn::IsNaN(value), nan, hn::BitCast(df, code)));
}

/// 32 / kBits codes to a 32-bit lane, the part k in the lane's bits from k * kBits.
template <class Format>
struct SmallCodec {
  using Lane = float;
  static constexpr std::size_t kParts = 32 / Format::kBits;
  static constexpr std::uint32_t kTopMask = ~0u << (32 - Format::kBits);

  template <class D8, class D>
  static HWY_INLINE void unpack(D8, D df, hn::Vec<D8> raw, hn::Vec<D>* wide) {
    const hn::RebindToUnsigned<D> du;
    const auto bits = hn::BitCast(du, raw);
    const auto mask = hn::Set(du, kTopMask);
    if constexpr (kParts == 2) {
      wide[0] = decode_small<Format>(df, hn::ShiftLeft<16>(bits));
    } else {
      wide[0] = decode_small<Format>(df, hn::ShiftLeft<24>(bits));
      wide[1] = decode_small<Format>(df, hn::And(hn::ShiftLeft<16>(bits), mask));
      wide[2] = decode_small<Format>(df, hn::And(hn::ShiftLeft<8>(bits), mask));
    }
    wide[kParts - 1] = decode_small<Format>(df, hn::And(bits, mask));
  }
  template <class D8, class D>
  static HWY_INLINE hn::Vec<D8> pack(D8 d8, D df, const hn::Vec<D>* wide) {
    auto low = hn::Or(encode_small<Format>(df, wide[0]),
                      hn::ShiftLeft<Format::kBits>(encode_small<Format>(df, wide[1])));
    if constexpr (kParts == 4) {
      const auto high = hn::Or(encode_small<Format>(df, wide[2]),
                               hn::ShiftLeft<Format::kBits>(encode_small<Format>(df, wide[3])));
      low = hn::Or(low, hn::ShiftLeft<16>(high));
    }
    return hn::BitCast(d8, low);
  }
};
template <>
struct Codec<Float8E4M3> : SmallCodec<Float8E4M3Format> {};
template <>
struct Codec<Float8E5M2> : SmallCodec<Float8E5M2Format> {};

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET <= HWY_AVX3
/// The processor converts (F16C); it wants the halves in neighbouring lanes. Vectors too short to
/// be halved that way take the general codec.
template <>
struct Codec<Float16> : SmallCodec<Float16Format> {
  template <class D8, class D>
  static HWY_INLINE void unpack(D8 d8, D df, hn::Vec<D8> raw, hn::Vec<D>* wide) {
    if constexpr (hn::MaxLanes(d8) < 16) {
      SmallCodec<Float16Format>::unpack(d8, df, raw, wide);
    } else {
      const hn::Rebind<hwy::float16_t, D> dh;
      const hn::Repartition<hwy::float16_t, D8> dh2;
      const auto halves = hn::BitCast(dh2, raw);
      wide[0] = hn::PromoteTo(df, hn::LowerHalf(dh, halves));
      wide[1] = hn::PromoteTo(df, hn::UpperHalf(dh, halves));
    }
  }
  template <class D8, class D>
  static HWY_INLINE hn::Vec<D8> pack(D8 d8, D df, const hn::Vec<D>* wide) {
    if constexpr (hn::MaxLanes(d8) < 16) {
      return SmallCodec<Float16Format>::pack(d8, df, wide);
    } else {
      const hn::Rebind<hwy::float16_t, D> dh;
      const hn::Rebind<std::uint16_t, D> du;
      const hn::Repartition<std::uint16_t, D8> du2;
      const auto low = hn::DemoteTo(dh, canonical(df, wide[0]));
      const auto high = hn::DemoteTo(dh, canonical(df, wide[1]));
      return hn::BitCast(d8, hn::Combine(du2, hn::BitCast(du, high), hn::BitCast(du, low)));
    }
  }
};
#else
template <>
struct Codec<Float16> : SmallCodec<Float16Format> {};
#endif

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#endif  // SLUICE_COMPUTE_VECTOR_TARGET

#endif  // SLUICE_COMPUTE_REDUCE_CODECS_INL
