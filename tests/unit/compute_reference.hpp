// What the compute tests compare with: one element at a time, formats converted by their definition
// (powers of two and nearbyint in double) instead of by bit tricks.
#pragma once

#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "compute/reduce.hpp"
#include "sluice/types.hpp"

namespace sluice::compute::reference {

struct Format {
  int exponent_bits;
  int mantissa_bits;
  bool infinity;  // the highest exponent is infinity and NaN; otherwise only the code with all bits
                  // set is NaN
  bool saturate;  // too large becomes the largest finite number
  std::uint32_t nan;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  std::uint32_t sign_bit() const { return 1u << (exponent_bits + mantissa_bits); }
  double largest() const {
    const std::uint32_t all = sign_bit() - 1;
    return decode(infinity ? all - (1u << mantissa_bits) : all - 1);
  }

  double decode(std::uint32_t code) const {
    const double sign = (code & sign_bit()) != 0 ? -1.0 : 1.0;
    const int top = (1 << exponent_bits) - 1;
    const int exponent = static_cast<int>((code & (sign_bit() - 1)) >> mantissa_bits);
    const int mantissa = static_cast<int>(code & ((1u << mantissa_bits) - 1));
    const bool all_set = (code & (sign_bit() - 1)) == sign_bit() - 1;
    if (infinity && exponent == top) return mantissa == 0 ? sign * HUGE_VAL : std::nan("");
    if (!infinity && all_set) return std::nan("");
    if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias() - mantissa_bits);
    return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias() - mantissa_bits);
  }

  std::uint32_t encode(float value) const {
    if (std::isnan(value)) return nan;
    const std::uint32_t sign = std::signbit(value) ? sign_bit() : 0;
    double magnitude = std::fabs(static_cast<double>(value));
    if (saturate && magnitude > largest()) magnitude = largest();
    int exponent = 1 - bias();
    if (magnitude > 0 && std::isfinite(magnitude))
      exponent = std::max(exponent, std::ilogb(magnitude));
    const double quantum = std::ldexp(1.0, exponent - mantissa_bits);
    double units = std::nearbyint(magnitude / quantum);  // ties to even
    if (!(units * quantum <= largest()))
      return sign | (((1u << exponent_bits) - 1) << mantissa_bits);
    if (units >= std::ldexp(2.0, mantissa_bits)) {
      units /= 2;
      ++exponent;
    }
    const auto whole = static_cast<std::uint32_t>(units);
    const std::uint32_t implicit = 1u << mantissa_bits;
    if (whole < implicit) return sign | whole;
    return sign | (static_cast<std::uint32_t>(exponent + bias()) << mantissa_bits) |
           (whole - implicit);
  }
};

inline constexpr Format kHalf{5, 10, true, false, 0x7e00};
inline constexpr Format kBfloat{8, 7, true, false, 0x7fc0};
inline constexpr Format kE4M3{4, 3, false, true, 0x7f};
inline constexpr Format kE5M2{5, 2, true, true, 0x7f};

template <class T>
T combine(ReduceOp op, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::numeric_limits<T>::quiet_NaN();
    switch (op) {
      case ReduceOp::kProduct: return a * b;
      case ReduceOp::kMin: return a < b || (a == b && std::signbit(a)) ? a : b;
      case ReduceOp::kMax: return a > b || (a == b && !std::signbit(a)) ? a : b;
      default: return a + b;
    }
  } else {
    switch (op) {
      case ReduceOp::kProduct:
        return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
      case ReduceOp::kMin: return std::min(a, b);
      case ReduceOp::kMax: return std::max(a, b);
      default: return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
    }
  }
}

template <class T>
T divide(T a, std::uint32_t divisor) {
  if (divisor <= 1) return a;
  if constexpr (std::is_floating_point_v<T>)
    return a / static_cast<T>(divisor);
  else if constexpr (std::is_signed_v<T>)
    return static_cast<T>(static_cast<std::int64_t>(a) / std::int64_t{divisor});
  else
    return static_cast<T>(a / static_cast<std::uint64_t>(divisor));
}

template <class T>
T canonical(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return std::numeric_limits<T>::quiet_NaN();
  }
  return value;
}

using Bytes = std::vector<std::uint8_t>;

/// load and store for the C++ types.
template <class T>
struct Native {
  using Wide = T;
  static constexpr std::size_t kSize = sizeof(T);
  static T load(const std::uint8_t* from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }
  static void store(std::uint8_t* to, T value) {
    value = canonical(value);
    std::memcpy(to, &value, sizeof(T));
  }
};

template <const Format& kFormat, std::size_t kBytes>
struct Small {
  using Wide = float;
  static constexpr std::size_t kSize = kBytes;
  static float load(const std::uint8_t* from) {
    std::uint32_t code = 0;
    std::memcpy(&code, from, kBytes);
    return static_cast<float>(kFormat.decode(code));
  }
  static void store(std::uint8_t* to, float value) {
    const std::uint32_t code = kFormat.encode(value);
    std::memcpy(to, &code, kBytes);
  }
};

/// Calls `use` with a Native or Small for the type.
template <class Use>
auto with_type(DataType type, Use use) {
  switch (type) {
    case DataType::kInt8: return use(Native<std::int8_t>());
    case DataType::kUint8: return use(Native<std::uint8_t>());
    case DataType::kInt32: return use(Native<std::int32_t>());
    case DataType::kUint32: return use(Native<std::uint32_t>());
    case DataType::kInt64: return use(Native<std::int64_t>());
    case DataType::kUint64: return use(Native<std::uint64_t>());
    case DataType::kFloat16: return use(Small<kHalf, 2>());
    case DataType::kBfloat16: return use(Small<kBfloat, 2>());
    case DataType::kFloat64: return use(Native<double>());
    case DataType::kFloat8E4M3: return use(Small<kE4M3, 1>());
    case DataType::kFloat8E5M2: return use(Small<kE5M2, 1>());
    default: return use(Native<float>());
  }
}

inline Bytes reduce(DataType type, ReduceOp op, const std::vector<Bytes>& sources,
                    std::uint32_t divisor) {
  return with_type(type, [&](auto traits) {
    using Traits = decltype(traits);
    Bytes result(sources[0].size());
    for (std::size_t at = 0; at < result.size(); at += Traits::kSize) {
      auto value = Traits::load(&sources[0][at]);
      for (std::size_t s = 1; s < sources.size(); ++s)
        value = combine(op, value, Traits::load(&sources[s][at]));
      Traits::store(&result[at], op == ReduceOp::kAverage ? divide(value, divisor) : value);
    }
    return result;
  });
}

inline Bytes scale(DataType type, const Bytes& source, double factor,
                   std::uint64_t integer_factor) {
  return with_type(type, [&](auto traits) {
    using Traits = decltype(traits);
    using Wide = typename Traits::Wide;
    Bytes result(source.size());
    for (std::size_t at = 0; at < result.size(); at += Traits::kSize) {
      Wide by = static_cast<Wide>(integer_factor);
      if constexpr (std::is_floating_point_v<Wide>) by = static_cast<Wide>(factor);
      Traits::store(&result[at], combine(ReduceOp::kProduct, Traits::load(&source[at]), by));
    }
    return result;
  });
}

/// Half of the elements are random bits (so NaN, infinities and subnormals of every payload and
/// sign), half are of moderate size, so that rounding matters; zeros of both signs and ones among
/// them.
inline Bytes random_elements(DataType type, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return with_type(type, [&](auto traits) {
    using Traits = decltype(traits);
    using Wide = typename Traits::Wide;
    Bytes bytes(count * Traits::kSize);
    for (std::size_t at = 0; at < bytes.size(); at += Traits::kSize) {
      const std::uint64_t bits = random();
      std::memcpy(&bytes[at], &bits, Traits::kSize);
      if constexpr (std::is_floating_point_v<Wide>) {
        const auto kind = random() % 16;
        const auto fraction =
            static_cast<Wide>(std::uniform_real_distribution<double>(-2.0, 2.0)(random));
        if (kind < 8) Traits::store(&bytes[at], fraction);
        if (kind == 8) Traits::store(&bytes[at], static_cast<Wide>(bits % 2 == 0 ? 0.0 : -0.0));
        if (kind == 9) Traits::store(&bytes[at], static_cast<Wide>(bits % 2 == 0 ? 1.0 : -1.0));
      }
    }
    return bytes;
  });
}

inline constexpr DataType kTypes[] = {
    DataType::kInt8,    DataType::kUint8,    DataType::kInt32,      DataType::kUint32,
    DataType::kInt64,   DataType::kUint64,   DataType::kFloat16,    DataType::kFloat32,
    DataType::kFloat64, DataType::kBfloat16, DataType::kFloat8E4M3, DataType::kFloat8E5M2};
static_assert(std::size(kTypes) == kDataTypeCount);

/// The instruction sets to test: those of this processor that there are kernels for, and the
/// fallback.
inline std::vector<std::int64_t> instruction_sets() {
  hwy::SetSupportedTargetsForTest(0);
  std::vector<std::int64_t> sets = {0};
  const std::int64_t usable = hwy::SupportedTargets();
#if HWY_ARCH_X86
  for (const std::int64_t set : {HWY_SSE4, HWY_AVX2, HWY_AVX3})
    if ((usable & set) != 0) sets.push_back(set);
#elif HWY_ARCH_ARM
  if ((usable & HWY_NEON) != 0) sets.push_back(HWY_NEON);
#endif
  return sets;
}

inline std::string instruction_set_name(std::int64_t set) {
  return set == 0 ? "fallback" : hwy::TargetName(set);
}

/// Limits the kernels to one instruction set while it lives.
class UseInstructionSet {
 public:
  explicit UseInstructionSet(std::int64_t set) { hwy::GetChosenTarget().Update(set); }
  ~UseInstructionSet() { hwy::GetChosenTarget().DeInit(); }
  UseInstructionSet(const UseInstructionSet&) = delete;
  UseInstructionSet& operator=(const UseInstructionSet&) = delete;
};

}  // namespace sluice::compute::reference
