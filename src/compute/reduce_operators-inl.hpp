// The operators on wide vectors. Included once per instruction set (Highway).
//
// enter() is applied to every source, combine() between them from first to last, leave() to the
// result.
#if defined(SLUICE_COMPUTE_REDUCE_OPERATORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_COMPUTE_REDUCE_OPERATORS_INL
#undef SLUICE_COMPUTE_REDUCE_OPERATORS_INL
#else
#define SLUICE_COMPUTE_REDUCE_OPERATORS_INL
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "compute/scalar.hpp"
#include "compute/targets.hpp"

#if SLUICE_COMPUTE_VECTOR_TARGET

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Unchanged {
  template <class D>
  static HWY_INLINE hn::Vec<D> enter(D, hn::Vec<D> value) {
    return value;
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> leave(D, hn::Vec<D> value) {
    return value;
  }
};

struct Sum : Unchanged {
  template <class D>
  static HWY_INLINE hn::Vec<D> combine(D, hn::Vec<D> a, hn::Vec<D> b) {
    return hn::Add(a, b);
  }
};

struct Product : Unchanged {
  template <class D>
  static HWY_INLINE hn::Vec<D> combine(D d, hn::Vec<D> a, hn::Vec<D> b) {
    using T = hn::TFromD<D>;
    if constexpr (hwy::IsFloat<T>() || sizeof(T) == 4)
      return hn::Mul(a, b);
    else if constexpr (sizeof(T) == 1)
      return multiply_bytes(d, a, b);
    else
      return multiply_64(d, a, b);
  }

 private:
  // Products modulo 2^n do not depend on the sign, so the unsigned ones serve both.
  template <class D>
  static HWY_INLINE hn::Vec<D> multiply_bytes(D d, hn::Vec<D> a, hn::Vec<D> b) {
    const hn::Repartition<std::uint16_t, D> d16;
    const auto a16 = hn::BitCast(d16, a);
    const auto b16 = hn::BitCast(d16, b);
    const auto even = hn::And(hn::Mul(a16, b16), hn::Set(d16, std::uint16_t{0xff}));
    const auto odd = hn::ShiftLeft<8>(hn::Mul(hn::ShiftRight<8>(a16), hn::ShiftRight<8>(b16)));
    return hn::BitCast(d, hn::Or(even, odd));
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> multiply_64(D d, hn::Vec<D> a, hn::Vec<D> b) {
    const hn::Repartition<std::uint32_t, D> d32;
    const hn::RebindToUnsigned<D> du;
    const auto a32 = hn::BitCast(d32, a);
    const auto b32 = hn::BitCast(d32, b);
    const auto low = hn::BitCast(du, hn::MulEven(a32, b32));
    const auto cross = hn::BitCast(du, hn::Mul(a32, hn::Shuffle2301(b32)));  // a.hi*b.lo, a.lo*b.hi
    const auto upper = hn::Set(du, std::uint64_t{0xffff'ffff'0000'0000});
    const auto high = hn::Add(hn::ShiftLeft<32>(cross), hn::And(cross, upper));
    return hn::BitCast(d, hn::Add(low, high));
  }
};

/// Floating point as IEEE 754-2019 minimum: -0 is below +0 and NaN wins. x86's instruction returns
/// its second operand when the operands are equal or one is NaN, so the two orders differ exactly
/// there, and their bitwise OR is the smaller zero, or a NaN.
template <class D>
HWY_INLINE hn::Vec<D> minimum(D, hn::Vec<D> a, hn::Vec<D> b) {
  if constexpr (hwy::IsFloat<hn::TFromD<D>>())
    return hn::Or(hn::Min(a, b), hn::Min(b, a));
  else
    return hn::Min(a, b);
}

struct Min : Unchanged {
  template <class D>
  static HWY_INLINE hn::Vec<D> combine(D d, hn::Vec<D> a, hn::Vec<D> b) {
    return minimum(d, a, b);
  }
};

/// Floating point: minus the minimum of the negated sources.
struct Max {
  template <class D>
  static HWY_INLINE hn::Vec<D> enter(D, hn::Vec<D> value) {
    if constexpr (hwy::IsFloat<hn::TFromD<D>>())
      return hn::Neg(value);
    else
      return value;
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> combine(D d, hn::Vec<D> a, hn::Vec<D> b) {
    if constexpr (hwy::IsFloat<hn::TFromD<D>>())
      return minimum(d, a, b);
    else
      return hn::Max(a, b);
  }
  template <class D>
  static HWY_INLINE hn::Vec<D> leave(D d, hn::Vec<D> value) {
    return enter(d, value);
  }
};

/// Not inline: averages of integers are rare, and divide one element at a time.
template <class T>
HWY_NOINLINE void divide_lanes(T* lanes, std::size_t count, std::uint32_t divisor) {
  for (std::size_t i = 0; i < count; ++i) lanes[i] = scalar::average(lanes[i], divisor);
}

template <class D>
HWY_INLINE hn::Vec<D> divide(D d, hn::Vec<D> sum, std::uint32_t divisor) {
  using T = hn::TFromD<D>;
  if constexpr (hwy::IsFloat<T>()) {
    return hn::Div(sum, hn::Set(d, static_cast<T>(divisor)));
  } else {
    HWY_ALIGN T lanes[hn::MaxLanes(D())];
    hn::StoreU(sum, d, lanes);
    divide_lanes(lanes, hn::MaxLanes(D()), divisor);
    return hn::LoadU(d, lanes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#endif  // SLUICE_COMPUTE_VECTOR_TARGET

#endif  // SLUICE_COMPUTE_REDUCE_OPERATORS_INL
