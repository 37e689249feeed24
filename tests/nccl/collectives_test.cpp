// Every collective, type and operator through the C interface, against sums made by hand.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "nccl/door.hpp"

namespace sluice::test {
namespace {

constexpr int kRanks = 3;
constexpr std::size_t kCount = 37;

/// A type of NCCL's: how to write a small whole number, and how to read it.
struct Element {
  ncclDataType_t type;
  std::size_t bytes;
};
constexpr Element kElements[] = {
    {ncclInt8, 1},    {ncclUint8, 1},    {ncclInt32, 4},      {ncclUint32, 4},
    {ncclInt64, 8},   {ncclUint64, 8},   {ncclFloat16, 2},    {ncclFloat32, 4},
    {ncclFloat64, 8}, {ncclBfloat16, 2}, {ncclFloat8e4m3, 1}, {ncclFloat8e5m2, 1},
};

/// The bits of a small power of two, or zero, in a floating-point format with these bits.
std::uint64_t float_code(double value, int exponent_bits, int mantissa_bits) {
  if (value == 0) return 0;
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // in [0.5, 1)
  const auto mantissa = static_cast<std::uint64_t>(
      std::lround((fraction * 2 - 1) * static_cast<double>(std::uint64_t{1} << mantissa_bits)));
  const int bias = (1 << (exponent_bits - 1)) - 1;
  return (static_cast<std::uint64_t>(exponent - 1 + bias) << mantissa_bits) + mantissa;
}

std::uint64_t code(ncclDataType_t type, double value) {
  switch (type) {
    case ncclFloat16: return float_code(value, 5, 10);
    case ncclBfloat16: return float_code(value, 8, 7);
    case ncclFloat32: return float_code(value, 8, 23);
    case ncclFloat64: return std::bit_cast<std::uint64_t>(value);
    case ncclFloat8e4m3: return float_code(value, 4, 3);
    case ncclFloat8e5m2: return float_code(value, 5, 2);
    default: return static_cast<std::uint64_t>(value);
  }
}

class Values {
 public:
  Values(Element element, std::size_t count) : element_(element), bytes_(element.bytes * count) {}
  void set(std::size_t i, double value) {
    const std::uint64_t bits = code(element_.type, value);
    std::memcpy(bytes_.data() + i * element_.bytes, &bits, element_.bytes);
  }
  bool is(std::size_t i, double value) const {
    const std::uint64_t bits = code(element_.type, value);
    return std::memcmp(bytes_.data() + i * element_.bytes, &bits, element_.bytes) == 0;
  }
  void* at(std::size_t i = 0) { return bytes_.data() + i * element_.bytes; }

 private:
  Element element_;
  std::vector<std::byte> bytes_;
};

/// 1, 2 or 4, so that sums and products of three are exact in every format.
double value_of(int rank, std::size_t i) {
  return static_cast<double>(1 << ((static_cast<std::size_t>(rank) + i) % 3));
}

double combined(ncclRedOp_t op, std::size_t i) {
  const double a = value_of(0, i), b = value_of(1, i), c = value_of(2, i);
  switch (op) {
    case ncclSum: return a + b + c;
    case ncclProd: return a * b * c;
    case ncclMax: return std::max({a, b, c});
    case ncclMin: return std::min({a, b, c});
    default: return 0;
  }
}

TEST(NcclCollectives, AllReduceEveryTypeAndOperator) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    for (const Element& element : kElements)
      for (const ncclRedOp_t op : {ncclSum, ncclProd, ncclMax, ncclMin}) {
        Values in(element, kCount), out(element, kCount);
        for (std::size_t i = 0; i < kCount; ++i) in.set(i, value_of(rank, i));
        ASSERT_NCCL(ncclAllReduce(in.at(), out.at(), kCount, element.type, op, comm, nullptr));
        for (std::size_t i = 0; i < kCount; ++i)
          ASSERT_TRUE(out.is(i, combined(op, i))) << element.type << " " << op << " " << i;
      }
  });
}

TEST(NcclCollectives, TheAverageIsTheSumOverTheRanks) {
  on_ranks(4, [](int rank, ncclComm_t comm) {
    for (const Element& element : kElements) {
      Values values(element, kCount);
      for (std::size_t i = 0; i < kCount; ++i) values.set(i, rank == 3 ? 5 : 1);
      ASSERT_NCCL(
          ncclAllReduce(values.at(), values.at(), kCount, element.type, ncclAvg, comm, nullptr));
      for (std::size_t i = 0; i < kCount; ++i)
        ASSERT_TRUE(values.is(i, 2)) << element.type << " " << i;
    }
  });
}

TEST(NcclCollectives, FactorsOfEveryTypeFromTheHost) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    for (const Element& element : kElements) {
      Values factor(element, 1), values(element, kCount);
      factor.set(0, rank + 1);
      for (std::size_t i = 0; i < kCount; ++i) values.set(i, 2);
      ncclRedOp_t op = ncclSum;
      ASSERT_NCCL(
          ncclRedOpCreatePreMulSum(&op, factor.at(), element.type, ncclScalarHostImmediate, comm));
      ASSERT_GE(op, ncclNumOps);
      ASSERT_NCCL(ncclAllReduce(values.at(), values.at(), kCount, element.type, op, comm, nullptr));
      for (std::size_t i = 0; i < kCount; ++i) ASSERT_TRUE(values.is(i, 6)) << element.type;
      ASSERT_NCCL(ncclRedOpDestroy(op, comm));
      EXPECT_EQ(ncclRedOpDestroy(op, comm), ncclInvalidArgument);
      EXPECT_EQ(ncclAllReduce(values.at(), values.at(), 1, element.type, op, comm, nullptr),
                ncclInvalidArgument);
    }
  });
}

TEST(NcclCollectives, AFactorIsForItsTypeAndItsCommunicator) {
  on_ranks(1, [](int, ncclComm_t comm) {
    float factor = 2, value = 1;
    std::int32_t whole = 1;
    ncclRedOp_t op = ncclSum;
    ASSERT_NCCL(ncclRedOpCreatePreMulSum(&op, &factor, ncclFloat, ncclScalarHostImmediate, comm));
    EXPECT_EQ(ncclAllReduce(&whole, &whole, 1, ncclInt, op, comm, nullptr), ncclInvalidArgument);
    EXPECT_TRUE(says("was made for float"));
    ASSERT_NCCL(ncclAllReduce(&value, &value, 1, ncclFloat, op, comm, nullptr));
    EXPECT_EQ(value, 2);
    EXPECT_EQ(ncclRedOpCreatePreMulSum(&op, &factor, ncclFloat, ncclScalarDevice, comm),
              ncclInvalidUsage);
    EXPECT_TRUE(says("ncclScalarDevice"));
  });
}

std::vector<int> numbers(int first, std::size_t count) {
  std::vector<int> all(count);
  std::iota(all.begin(), all.end(), first);
  return all;
}

TEST(NcclCollectives, BroadcastInAndOutOfPlace) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    for (int root = 0; root < kRanks; ++root) {
      std::vector<int> in = numbers(rank * 1000, kCount), out(kCount);
      ASSERT_NCCL(ncclBroadcast(in.data(), out.data(), kCount, ncclInt, root, comm, nullptr));
      EXPECT_EQ(out, numbers(root * 1000, kCount));
      ASSERT_NCCL(ncclBcast(in.data(), kCount, ncclInt, root, comm, nullptr));
      EXPECT_EQ(in, numbers(root * 1000, kCount));
    }
  });
}

TEST(NcclCollectives, ReduceNeedsAnOutputAtTheRootOnly) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    const std::vector<int> in(kCount, rank + 1);
    std::vector<int> out(kCount);
    int* const place = rank == 1 ? out.data() : nullptr;
    ASSERT_NCCL(ncclReduce(in.data(), place, kCount, ncclInt, ncclSum, 1, comm, nullptr));
    EXPECT_EQ(out, std::vector<int>(kCount, rank == 1 ? 6 : 0));
  });
}

TEST(NcclCollectives, AllGatherAndReduceScatterInPlace) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    std::vector<int> all(kRanks * kCount, -1);
    int* const mine = all.data() + static_cast<std::size_t>(rank) * kCount;
    std::iota(mine, mine + kCount, rank * static_cast<int>(kCount));
    ASSERT_NCCL(ncclAllGather(mine, all.data(), kCount, ncclInt, comm, nullptr));
    EXPECT_EQ(all, numbers(0, kRanks * kCount));
    ASSERT_NCCL(ncclReduceScatter(all.data(), mine, kCount, ncclInt, ncclSum, comm, nullptr));
    for (std::size_t i = 0; i < kCount; ++i)
      EXPECT_EQ(mine[i], kRanks * (rank * static_cast<int>(kCount) + static_cast<int>(i)));
  });
}

TEST(NcclCollectives, AlltoAllGatherAndScatter) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    std::vector<int> in(kRanks), out(kRanks, -1);
    for (int peer = 0; peer < kRanks; ++peer) in[static_cast<std::size_t>(peer)] = rank * 10 + peer;
    ASSERT_NCCL(ncclAlltoAll(in.data(), out.data(), 1, ncclInt, comm, nullptr));
    for (int peer = 0; peer < kRanks; ++peer)
      EXPECT_EQ(out[static_cast<std::size_t>(peer)], peer * 10 + rank);
    ASSERT_NCCL(ncclGather(&rank, rank == 2 ? out.data() : nullptr, 1, ncclInt, 2, comm, nullptr));
    if (rank == 2) {
      EXPECT_EQ(out, numbers(0, kRanks));
    }
    int got = -1;
    ASSERT_NCCL(ncclScatter(rank == 2 ? out.data() : nullptr, &got, 1, ncclInt, 2, comm, nullptr));
    EXPECT_EQ(got, rank);
  });
}

TEST(NcclCollectives, UnalignedAndEmpty) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    std::vector<std::byte> bytes(8 * kCount + 3);
    const double one = 1;
    for (std::size_t i = 0; i < kCount; ++i) std::memcpy(bytes.data() + 3 + 8 * i, &one, 8);
    ASSERT_NCCL(ncclAllReduce(bytes.data() + 3, bytes.data() + 3, kCount, ncclDouble, ncclSum, comm,
                              nullptr));
    double sum = 0;
    std::memcpy(&sum, bytes.data() + 3 + 8 * (kCount - 1), 8);
    EXPECT_EQ(sum, 2) << rank;
    EXPECT_NCCL(ncclAllReduce(nullptr, nullptr, 0, ncclDouble, ncclSum, comm, nullptr));
    EXPECT_NCCL(ncclAllGather(nullptr, nullptr, 0, ncclInt8, comm, nullptr));
  });
}

TEST(NcclCollectives, CountsThatOverflowAreRefusedAndHarmless) {
  on_ranks(2, [](int, ncclComm_t comm) {
    float value = 1;
    for (const std::size_t count : {~std::size_t{0}, std::size_t{1} << 63, std::size_t{1} << 62}) {
      EXPECT_EQ(ncclAllReduce(&value, &value, count, ncclFloat, ncclSum, comm, nullptr),
                ncclInvalidArgument);
      EXPECT_EQ(ncclSend(&value, count, ncclDouble, 0, comm, nullptr), ncclInvalidArgument);
    }
    EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, comm, nullptr));
    EXPECT_EQ(value, 2);
  });
}

TEST(NcclCollectives, BadArgumentsAreNamed) {
  on_ranks(1, [](int, ncclComm_t comm) {
    float value = 1;
    const auto type = static_cast<ncclDataType_t>(267);  // would be 11 in eight bits
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, type, ncclSum, comm, nullptr), ncclInvalidArgument);
    EXPECT_TRUE(says("data type 267"));
    const auto op = static_cast<ncclRedOp_t>(99);
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, op, comm, nullptr), ncclInvalidArgument);
    EXPECT_TRUE(says("reduction 99"));
    EXPECT_EQ(ncclBroadcast(&value, &value, 1, ncclFloat, 1, comm, nullptr), ncclInvalidArgument);
    EXPECT_TRUE(says("root 1 is not a rank of 1"));
    EXPECT_EQ(ncclAllReduce(nullptr, &value, 1, ncclFloat, ncclSum, comm, nullptr),
              ncclInvalidArgument);
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, nullptr, nullptr),
              ncclInvalidArgument);
    EXPECT_TRUE(says("null"));
    auto* const stream = reinterpret_cast<cudaStream_t>(std::uintptr_t{0x1000});
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, comm, stream), ncclInvalidUsage);
    EXPECT_TRUE(says("stream"));
    EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclFloat, ncclSum, comm, nullptr));
  });
}

TEST(NcclCollectives, WithAConfigurationOfTheCall) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    ncclCollConfig_t config = NCCL_COLLCONFIG_INITIALIZER;
    ncclConfigExt_t vendors{};
    config.ext = &vendors;
    config.minCTAs = 1;
    config.maxCTAs = 4;
    int mine = rank + 1, all[2] = {}, in[2] = {rank, rank}, out = 0;
    EXPECT_NCCL(ncclAllReduceConfig(&mine, &out, 1, ncclInt, ncclSum, comm, nullptr, &config));
    EXPECT_EQ(out, 3);
    EXPECT_NCCL(ncclBroadcastConfig(&mine, &out, 1, ncclInt, 1, comm, nullptr, nullptr));
    EXPECT_EQ(out, 2);
    EXPECT_NCCL(ncclReduceConfig(&mine, &out, 1, ncclInt, ncclMax, 0, comm, nullptr, &config));
    EXPECT_EQ(out, 2);
    EXPECT_NCCL(ncclAllGatherConfig(&mine, all, 1, ncclInt, comm, nullptr, &config));
    EXPECT_EQ(all[0] + all[1] * 10, 21);
    EXPECT_NCCL(ncclReduceScatterConfig(in, &out, 1, ncclInt, ncclSum, comm, nullptr, &config));
    EXPECT_EQ(out, 1);
    EXPECT_NCCL(ncclAlltoAllConfig(in, all, 1, ncclInt, comm, nullptr, &config));
    EXPECT_EQ(all[0] + all[1] * 10, 10);
    EXPECT_NCCL(ncclGatherConfig(&mine, all, 1, ncclInt, 0, comm, nullptr, &config));
    EXPECT_NCCL(ncclScatterConfig(all, &out, 1, ncclInt, 0, comm, nullptr, &config));
    EXPECT_EQ(out, rank + 1);
    config.algSelection = "ring";
    EXPECT_EQ(ncclAllReduceConfig(&mine, &out, 1, ncclInt, ncclSum, comm, nullptr, &config),
              ncclInvalidUsage);
    EXPECT_TRUE(says("algSelection", comm));
    config.forceAlgSelection = 0;
    EXPECT_NCCL(ncclAllReduceConfig(&mine, &out, 1, ncclInt, ncclSum, comm, nullptr, &config));
    config.magic = 0;
    EXPECT_EQ(ncclAllReduceConfig(&mine, &out, 1, ncclInt, ncclSum, comm, nullptr, &config),
              ncclInvalidArgument);
  });
}

}  // namespace
}  // namespace sluice::test
