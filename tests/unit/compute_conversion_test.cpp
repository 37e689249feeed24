// The conversions of the 16- and 8-bit floats: every code, every halfway case, by the scalar
// functions and through the kernels of every instruction set.
#include <gtest/gtest.h>

#include <bit>

#include "compute/small_float.hpp"
#include "compute_reference.hpp"

namespace sluice::compute {
namespace {

using reference::Bytes;
using reference::Format;

std::uint32_t bits_of(double value) {
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

/// float32 values around every code: itself, halfway to the next, and both neighbours of that.
template <class Check>
void around_every_code(const Format& format, Check check) {
  for (std::uint32_t code = 0; code + 1 < format.sign_bit(); ++code) {
    const double here = format.decode(code);
    const double next = format.decode(code + 1);
    if (!std::isfinite(here)) continue;
    const double step = std::isfinite(next) ? next - here : here - format.decode(code - 1);
    const auto halfway =
        static_cast<float>(here + step / 2);  // one bit more than the format has: exact
    for (const float value : {static_cast<float>(here), halfway, std::nextafterf(halfway, 0.0f),
                              std::nextafterf(halfway, HUGE_VALF)}) {
      check(value);
      check(-value);
    }
  }
  for (const float value :
       {HUGE_VALF, -HUGE_VALF, std::nanf(""), std::numeric_limits<float>::denorm_min(),
        std::numeric_limits<float>::max(), std::numeric_limits<float>::min()})
    check(value);
  check(std::bit_cast<float>(0xff80'0001u));  // a signalling NaN with a sign
  check(std::bit_cast<float>(0x7fff'ffffu));
}

template <class Encode, class Decode>
void check_scalar(const Format& format, Encode encode, Decode decode) {
  for (std::uint32_t code = 0; code < 2 * format.sign_bit(); ++code) {
    const double expected = format.decode(code);
    if (std::isnan(expected))
      EXPECT_TRUE(std::isnan(decode(code))) << code;
    else
      EXPECT_EQ(std::bit_cast<std::uint32_t>(decode(code)), bits_of(expected)) << code;
  }
  around_every_code(format,
                    [&](float value) { EXPECT_EQ(encode(value), format.encode(value)) << value; });
}

TEST(Conversion, float16) {
  check_scalar(reference::kHalf, float_to_small<Float16Format>, small_to_float<Float16Format>);
}
TEST(Conversion, float8_e4m3) {
  check_scalar(reference::kE4M3, float_to_small<Float8E4M3Format>,
               small_to_float<Float8E4M3Format>);
}
TEST(Conversion, float8_e5m2) {
  check_scalar(reference::kE5M2, float_to_small<Float8E5M2Format>,
               small_to_float<Float8E5M2Format>);
}
/// What kernels do, with another widening of float16 than theirs.
TEST(Conversion, the_8_bit_formats_by_way_of_float16) {
  const auto widen = [](std::uint16_t half) { return small_to_float<Float16Format>(half); };
  const auto e4m3 = [&](std::uint32_t code) {
    return float8_e4m3_by_half(static_cast<std::uint8_t>(code), widen);
  };
  const auto e5m2 = [&](std::uint32_t code) {
    return float8_e5m2_by_half(static_cast<std::uint8_t>(code), widen);
  };
  check_scalar(reference::kE4M3, float_to_small_apart<Float8E4M3Format>, e4m3);
  check_scalar(reference::kE5M2, float_to_small_apart<Float8E5M2Format>, e5m2);
}
TEST(Conversion, bfloat16) {
  check_scalar(reference::kBfloat, float_to_bfloat16, [](std::uint32_t code) {
    return bfloat16_to_float(static_cast<std::uint16_t>(code));
  });
}

TEST(Conversion, saturates_and_canonicalises_as_documented) {
  EXPECT_EQ(float_to_small<Float8E4M3Format>(1e9f), 0x7eu);
  EXPECT_EQ(float_to_small<Float8E4M3Format>(-HUGE_VALF), 0xfeu);
  EXPECT_EQ(float_to_small<Float8E4M3Format>(-std::nanf("")), 0x7fu);
  EXPECT_EQ(float_to_small<Float8E5M2Format>(HUGE_VALF), 0x7bu);
  EXPECT_EQ(float_to_small<Float8E5M2Format>(std::nanf("")), 0x7fu);
  EXPECT_EQ(float_to_small<Float16Format>(65520.0f), 0x7c00u);
  EXPECT_EQ(float_to_small<Float16Format>(std::nextafterf(65520.0f, 0.0f)), 0x7bffu);
  EXPECT_EQ(float_to_bfloat16(std::numeric_limits<float>::max()), 0x7f80u);
}

class KernelConversion : public testing::TestWithParam<std::int64_t> {};

void check_kernel(DataType type, ReduceOp op, const std::vector<Bytes>& sources) {
  Bytes result(sources[0].size());
  std::vector<const void*> pointers;
  for (const Bytes& source : sources) pointers.push_back(source.data());
  void* const destination = result.data();
  reduce_function(type,
                  op)({&destination, 1, pointers.data(), static_cast<unsigned>(sources.size()),
                       result.size() / size_in_bytes(type), 0, 0});
  EXPECT_EQ(result, reference::reduce(type, op, sources, 0)) << name(type) << " " << name(op);
}

TEST_P(KernelConversion, float8_every_pair_of_codes) {
  const reference::UseInstructionSet use(GetParam());
  std::vector<Bytes> sources(2, Bytes(65536));
  for (std::size_t i = 0; i < 65536; ++i) {
    sources[0][i] = static_cast<std::uint8_t>(i);
    sources[1][i] = static_cast<std::uint8_t>(i >> 8);
  }
  for (const DataType type : {DataType::kFloat8E4M3, DataType::kFloat8E5M2})
    for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kProduct, ReduceOp::kMin, ReduceOp::kMax})
      check_kernel(type, op, sources);
}

/// A code plus half of its last bit, plus the smallest number of either sign: the sum is a halfway
/// case or just beside one.
TEST_P(KernelConversion, half_types_every_code_and_halfway_case) {
  const reference::UseInstructionSet use(GetParam());
  for (const DataType type : {DataType::kFloat16, DataType::kBfloat16}) {
    const Format& format = type == DataType::kFloat16 ? reference::kHalf : reference::kBfloat;
    std::vector<Bytes> sources(3, Bytes(65536 * 2));
    const auto put = [&](std::size_t source, std::uint32_t i, std::uint32_t code) {
      const auto value = static_cast<std::uint16_t>(code);
      std::memcpy(&sources[source][i * 2], &value, 2);
    };
    for (std::uint32_t i = 0; i < 65536; ++i) {
      const auto exponent = static_cast<int>((i & (format.sign_bit() - 1)) >> format.mantissa_bits);
      const double half =
          std::ldexp(1.0, std::max(exponent, 1) - format.bias() - format.mantissa_bits - 1);
      put(0, i, i);
      put(1, i, format.encode(static_cast<float>(half)));
      put(2, i,
          (i * 2654435761u >> 30) == 0   ? 1
          : (i * 2654435761u >> 30) == 1 ? format.sign_bit() + 1
                                         : 0);
    }
    check_kernel(type, ReduceOp::kSum, {sources[0]});
    check_kernel(type, ReduceOp::kSum, {sources[0], sources[1]});
    check_kernel(type, ReduceOp::kSum, sources);
    check_kernel(type, ReduceOp::kProduct,
                 {sources[0], reference::random_elements(type, 65536, 7)});
  }
}

/// scale() rounds float32 products, which reach every halfway case of the 8-bit formats.
TEST_P(KernelConversion, scale_matches_the_reference) {
  const reference::UseInstructionSet use(GetParam());
  for (const DataType type : reference::kTypes) {
    for (const double factor :
         {1.0, 0.5, -0.0625, 1.0 / 3, 1.0625, 1.5, 1e-3, 3e4, 0.0, HUGE_VAL}) {
      const std::uint64_t integer_factor =
          static_cast<std::uint64_t>(bits_of(factor)) * 0x9e37'79b9'7f4a'7c15;
      for (const std::size_t count : {0u, 1u, 2u, 3u, 15u, 31u, 33u, 64u, 129u, 1000u}) {
        const Bytes source = reference::random_elements(type, count, 3);
        Bytes result(source.size() + 64, 0xa5);
        Bytes expected = reference::scale(type, source, factor, integer_factor);
        scale(result.data() + 1, source.data(), count, type, factor, integer_factor);
        expected.insert(expected.begin(), 0xa5);
        expected.resize(result.size(), 0xa5);
        ASSERT_EQ(result, expected) << name(type) << " factor " << factor << " count " << count;

        Bytes in_place = source;
        scale(in_place.data(), in_place.data(), count, type, factor, integer_factor);
        ASSERT_TRUE(std::equal(in_place.begin(), in_place.end(), expected.begin() + 1))
            << name(type);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(compute, KernelConversion,
                         testing::ValuesIn(reference::instruction_sets()), [](const auto& test) {
                           return reference::instruction_set_name(test.param);
                         });

}  // namespace
}  // namespace sluice::compute
