#include "sluice_perf/numbers.hpp"

#include <bit>
#include <cstring>

namespace sluice::perf {

NumberTraits traits_of(DataType type) {
  switch (type) {
    case DataType::kInt8: return {false, true, 0, 0, 127, 0};
    case DataType::kUint8: return {false, false, 0, 0, 255, 0};
    case DataType::kInt32: return {false, true, 0, 0, 1LL << 30, 0};
    case DataType::kUint32: return {false, false, 0, 0, 1LL << 31, 0};
    case DataType::kInt64: return {false, true, 0, 0, 1LL << 60, 0};
    case DataType::kUint64: return {false, false, 0, 0, 1LL << 60, 0};
    case DataType::kFloat16: return {true, true, 5, 10, 1LL << 11, 14};
    case DataType::kFloat32: return {true, true, 8, 23, 1LL << 24, 126};
    case DataType::kFloat64: return {true, true, 11, 52, 1LL << 53, 1022};
    case DataType::kBfloat16: return {true, true, 8, 7, 1LL << 8, 126};
    case DataType::kFloat8E4M3: return {true, true, 4, 3, 1LL << 4, 6};
    case DataType::kFloat8E5M2: return {true, true, 5, 2, 1LL << 3, 14};
  }
  return {};
}

void store_float(std::byte* at, DataType type, double value) {
  const NumberTraits traits = traits_of(type);
  constexpr int kDoubleMantissa = 52;
  constexpr int kDoubleBias = 1023;
  const auto bits = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t sign = bits >> 63;
  const std::uint64_t mantissa = bits & ((1ULL << kDoubleMantissa) - 1);
  const int exponent = static_cast<int>((bits >> kDoubleMantissa) & 0x7ff) - kDoubleBias;

  std::uint64_t out = sign << (traits.exponent_bits + traits.mantissa_bits);
  if (value != 0) {
    const int bias = (1 << (traits.exponent_bits - 1)) - 1;
    out |= static_cast<std::uint64_t>(exponent + bias) << traits.mantissa_bits;
    out |= mantissa >> (kDoubleMantissa - traits.mantissa_bits);
  }
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(at, &out, size_in_bytes(type));
}

void store_integer(std::byte* at, DataType type, std::uint64_t value) {
  std::memcpy(at, &value, size_in_bytes(type));
}

std::uint64_t wrap(DataType type, std::uint64_t value) {
  const int unused_bits = 64 - 8 * static_cast<int>(size_in_bytes(type));
  value <<= unused_bits;
  if (!traits_of(type).signed_integer) return value >> unused_bits;
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value) >> unused_bits);
}

}  // namespace sluice::perf
