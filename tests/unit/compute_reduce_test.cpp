// Every reduction kernel of every instruction set of this processor against the reference, bit by
// bit.
#include <gtest/gtest.h>

#include <algorithm>

#include "compute_reference.hpp"

namespace sluice::compute {
namespace {

using reference::Bytes;

constexpr std::size_t kCounts[] = {0,   1,   2,   3,   4,   5,   6,   7,    8,    9,   12,
                                   15,  16,  17,  23,  31,  32,  33,  47,   63,   64,  65,
                                   100, 127, 128, 129, 255, 256, 257, 1000, 1024, 4097};
constexpr std::size_t kMaxCount = 4097;
constexpr std::size_t kGuardBytes = 128;
constexpr std::uint8_t kGuard = 0xa5;
constexpr unsigned kMaxSources = 9;

/// A line-aligned buffer with an offset, guarded on both sides.
class Guarded {
 public:
  Guarded(std::size_t bytes, std::size_t misalignment)
      : memory_(bytes + misalignment + 2 * kGuardBytes + 64, kGuard) {
    const auto start = reinterpret_cast<std::uintptr_t>(memory_.data()) + kGuardBytes;
    begin_ = memory_.data() + kGuardBytes + (64 - start % 64) % 64 + misalignment;
    bytes_ = bytes;
  }
  std::uint8_t* data() { return begin_; }
  void fill(const Bytes& content) { std::memcpy(begin_, content.data(), bytes_); }
  bool untouched() const {
    const std::uint8_t* const end = begin_ + bytes_;
    const auto is_guard = [](std::uint8_t byte) { return byte == kGuard; };
    return std::all_of(memory_.data(), static_cast<const std::uint8_t*>(begin_), is_guard) &&
           std::all_of(end, memory_.data() + memory_.size(), is_guard);
  }
  bool equals(const Bytes& expected) const {
    return bytes_ == 0 || std::memcmp(begin_, expected.data(), bytes_) == 0;
  }

 private:
  Bytes memory_;
  std::uint8_t* begin_;
  std::size_t bytes_;
};

struct Case {
  DataType type;
  std::int64_t set;
};

class Reduce : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    for (unsigned s = 0; s < kMaxSources; ++s)
      elements_.push_back(reference::random_elements(GetParam().type, kMaxCount, 1000 + s));
  }
  std::vector<Bytes> sources(unsigned count) const {
    return {elements_.begin(), elements_.begin() + count};
  }

  std::vector<Bytes> elements_;
};

/// Where the buffers of one call begin, in bytes behind a line.
struct Layout {
  std::size_t sources;
  std::size_t destinations[2];
  std::uint32_t streaming_mask;
};

void check(DataType type, ReduceFunction kernel, const std::vector<Bytes>& content,
           const Bytes& expected, std::size_t count, unsigned destination_count,
           std::uint32_t divisor, const Layout& layout) {
  const std::size_t bytes = count * size_in_bytes(type);
  std::vector<Guarded> sources;
  std::vector<const void*> source_pointers;
  sources.reserve(content.size());
  for (const Bytes& source : content) {
    sources.emplace_back(bytes, layout.sources);
    sources.back().fill(source);
    source_pointers.push_back(sources.back().data());
  }
  Guarded first(bytes, layout.destinations[0]);
  Guarded second(bytes, layout.destinations[1]);
  void* const destinations[] = {first.data(), second.data()};
  kernel({destinations, destination_count, source_pointers.data(),
          static_cast<unsigned>(content.size()), count, divisor, layout.streaming_mask});
  const auto where = [&] {
    return testing::Message() << content.size() << " sources, " << destination_count
                              << " destinations, count " << count << ", misaligned "
                              << layout.sources << "/" << layout.destinations[0] << "/"
                              << layout.destinations[1] << ", streaming " << layout.streaming_mask;
  };
  EXPECT_TRUE(first.equals(expected) && first.untouched()) << where();
  EXPECT_TRUE(destination_count == 1 || second.equals(expected)) << where();
  EXPECT_TRUE(second.untouched()) << where();
  for (std::size_t s = 0; s < content.size(); ++s)
    EXPECT_TRUE(sources[s].equals(content[s])) << where();
}

void check_layouts(DataType type, ReduceFunction kernel, const std::vector<Bytes>& content,
                   const Bytes& expected, std::size_t count, std::uint32_t divisor) {
  const std::size_t size = size_in_bytes(type);
  check(type, kernel, content, expected, count, 1, divisor, {0, {0, 0}, 0});
  check(type, kernel, content, expected, count, 2, divisor, {1, {3 * size, 1}, 0});
  if (count * size < 1000) return;  // too short to be streamed
  check(type, kernel, content, expected, count, 1, divisor, {size, {0, 0}, 1});
  check(type, kernel, content, expected, count, 1, divisor, {0, {size, 0}, ~0u});
  check(type, kernel, content, expected, count, 1, divisor, {0, {2 * size + (size > 1), 0}, 1});
  check(type, kernel, content, expected, count, 2, divisor, {size, {0, 5 * size}, 3});
  check(type, kernel, content, expected, count, 2, divisor, {size, {3 * size, 3 * size}, 3});
  check(type, kernel, content, expected, count, 2, divisor, {0, {1, 7 * size}, 2});
}

TEST_P(Reduce, matches_the_reference_in_every_shape) {
  const auto [type, set] = GetParam();
  const reference::UseInstructionSet use(set);
  for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kProduct, ReduceOp::kMin, ReduceOp::kMax,
                            ReduceOp::kAverage, ReduceOp::kPreMulSum}) {
    SCOPED_TRACE(name(op));
    const ReduceFunction kernel = reduce_function(type, op);
    ASSERT_NE(kernel, nullptr);
    for (unsigned n = 1; n <= kMaxSources; ++n) {
      const std::uint32_t divisor = op == ReduceOp::kAverage ? n : 0;
      const auto content = sources(n);
      const Bytes expected = reference::reduce(type, op, content, divisor);
      for (const std::size_t count : kCounts)
        check_layouts(type, kernel, content, expected, count, divisor);
      if (HasFailure()) return;
    }
  }
}

TEST_P(Reduce, works_in_place) {
  const auto [type, set] = GetParam();
  const reference::UseInstructionSet use(set);
  for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kProduct, ReduceOp::kMin, ReduceOp::kMax}) {
    const ReduceFunction kernel = reduce_function(type, op);
    for (const unsigned n : {1u, 2u, 3u, 5u}) {
      const Bytes expected = reference::reduce(type, op, sources(n), 0);
      for (const std::size_t count : kCounts) {
        for (const std::uint32_t streaming_mask : {0u, 3u}) {
          const std::size_t bytes = count * size_in_bytes(type);
          auto content = sources(n);
          std::vector<const void*> pointers;
          for (Bytes& source : content) pointers.push_back(source.data());
          void* const destinations[] = {content[n - 1].data(), content[0].data()};
          kernel({destinations, n == 1 ? 1u : 2u, pointers.data(), n, count, 0, streaming_mask});
          Bytes whole = elements_[0];
          std::copy_n(expected.begin(), bytes, whole.begin());
          EXPECT_EQ(content[0], whole) << n << " sources, count " << count;
          whole = elements_[n - 1];
          std::copy_n(expected.begin(), bytes, whole.begin());
          EXPECT_EQ(content[n - 1], whole) << n << " sources, count " << count;
        }
      }
    }
  }
}

TEST_P(Reduce, divides_by_any_divisor) {
  const auto [type, set] = GetParam();
  const reference::UseInstructionSet use(set);
  const auto content = sources(2);
  for (const std::uint32_t divisor :
       {0u, 1u, 2u, 3u, 127u, 128u, 255u, 256u, 65537u, 0x8000'0000u, ~0u}) {
    const Bytes expected = reference::reduce(type, ReduceOp::kAverage, content, divisor);
    check(type, reduce_function(type, ReduceOp::kAverage), content, expected, 1000, 1, divisor,
          {0, {0, 0}, 0});
  }
}

TEST_P(Reduce, min_and_max_order_zeros_and_keep_nan) {
  const auto [type, set] = GetParam();
  const reference::UseInstructionSet use(set);
  reference::with_type(type, [&, type = type](auto traits) {
    using Traits = decltype(traits);
    using Wide = typename Traits::Wide;
    const Wide nan = std::numeric_limits<Wide>::quiet_NaN();
    const Wide values[] = {0, static_cast<Wide>(-0.0), 1, static_cast<Wide>(-1),
                           nan};  // integers: 0 for the last
    std::vector<Bytes> content(3, Bytes(125 * Traits::kSize));
    for (std::size_t i = 0; i < 125; ++i) {
      Traits::store(&content[0][i * Traits::kSize], values[i % 5]);
      Traits::store(&content[1][i * Traits::kSize], values[i / 5 % 5]);
      Traits::store(&content[2][i * Traits::kSize], values[i / 25]);
    }
    for (const ReduceOp op : {ReduceOp::kMin, ReduceOp::kMax}) {
      const Bytes expected = reference::reduce(type, op, content, 0);
      check(type, reduce_function(type, op), content, expected, 125, 1, 0, {0, {0, 0}, 0});
    }
  });
}

TEST(ReduceTable, Exhaustive_has_kernels_of_its_own_for_every_instruction_set) {
  std::vector<ReduceFunction> kernels;
  for (const std::int64_t set : reference::instruction_sets()) {
    const reference::UseInstructionSet use(set);
    for (const DataType type : reference::kTypes)
      for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMin, ReduceOp::kMax})
        kernels.push_back(reduce_function(type, op));
  }
  std::sort(kernels.begin(), kernels.end());
  EXPECT_EQ(std::unique(kernels.begin(), kernels.end()), kernels.end());
}

TEST(ReduceTable, has_nothing_for_values_outside_the_enumeration) {
  EXPECT_EQ(reduce_function(static_cast<DataType>(kDataTypeCount), ReduceOp::kSum), nullptr);
}

TEST(ReduceTable, names_the_instruction_set) {
  EXPECT_STRNE(instruction_set(), "Unknown");
  EXPECT_STRNE(instruction_set(), "");
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t set : reference::instruction_sets())
    for (const DataType type : reference::kTypes) all.push_back({type, set});
  return all;
}

INSTANTIATE_TEST_SUITE_P(compute, Reduce, testing::ValuesIn(cases()), [](const auto& test) {
  return std::string(name(test.param.type)) + "_" + reference::instruction_set_name(test.param.set);
});

}  // namespace
}  // namespace sluice::compute
