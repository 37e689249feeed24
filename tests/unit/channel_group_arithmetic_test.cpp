// The arithmetic and the copies of groups of several threads against the kernels of src/compute,
// bit by bit: every type, operator, alignment, number of threads. The threads take turns: neither
// is a barrier.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "channel/arithmetic.hpp"
#include "channel/copy.hpp"
#include "compute_reference.hpp"

namespace sluice {
namespace {

using compute::reference::Bytes;

/// One of several threads, of which each runs to its end before the next one begins.
struct OneOf {
  unsigned index, threads;
  unsigned rank() const { return index; }
  unsigned size() const { return threads; }
  void sync() const {}
  bool any(bool yes) const { return yes; }
};
static_assert(ThreadGroup<OneOf>);

constexpr std::size_t kCounts[] = {0, 1, 2, 7, 15, 16, 33, 64, 100, 257, 1000};
constexpr std::size_t kMaxCount = 1000, kGuard = 64;
constexpr unsigned kSources = 5;
constexpr ReduceOp kOps[] = {ReduceOp::kSum, ReduceOp::kProduct, ReduceOp::kMax,
                             ReduceOp::kMin, ReduceOp::kAverage, ReduceOp::kPreMulSum};

/// `bytes` at `shift` behind a line, with guards.
struct Area {
  Area(std::size_t bytes, std::size_t shift) : memory(bytes + shift + 2 * kGuard + 64, 0xa5) {
    const auto start = reinterpret_cast<std::uintptr_t>(memory.data());
    begin = memory.data() + (64 - start % 64) % 64 + kGuard + shift;
  }
  std::vector<std::uint8_t> memory;
  std::uint8_t* begin;
};

struct Shifts {
  std::size_t source, destination;
};

class GroupArithmeticTest : public testing::TestWithParam<DataType> {
 protected:
  GroupArithmeticTest() {
    for (unsigned s = 0; s < kSources; ++s)
      content_.push_back(compute::reference::random_elements(GetParam(), kMaxCount, 77 + s));
  }

  /// Reduces `n` sources by `threads` threads and by the host's kernel; both areas, whole.
  void compare(ReduceOp op, unsigned n, std::size_t count, unsigned threads, Shifts shifts) {
    const std::size_t bytes = count * size_in_bytes(GetParam());
    std::vector<Area> sources;
    std::vector<const void*> pointers;
    for (unsigned s = 0; s < n; ++s) {
      sources.emplace_back(bytes, shifts.source);
      std::memcpy(sources.back().begin, content_[s].data(), bytes);
    }
    for (Area& source : sources) pointers.push_back(source.begin);
    Area ours(bytes, shifts.destination), second(bytes, 0), expected(bytes, shifts.destination);
    void* const to[] = {ours.begin, second.begin};
    const std::uint32_t divisor = op == ReduceOp::kAverage ? n : 1;
    for (unsigned t = 0; t < threads; ++t)
      GroupArithmetic{GetParam(), op, divisor}.reduce(OneOf{t, threads}, to, 2, pointers.data(), n,
                                                      bytes, true, 0);
    void* const reference[] = {expected.begin};
    compute::reduce_function(GetParam(), op)({reference, 1, pointers.data(), n, count, divisor, 0});
    // The areas lie differently in memory, but their insides do not.
    const auto inside = [&](const Area& area) {
      return Bytes(area.begin - kGuard, area.begin + bytes + kGuard);
    };
    EXPECT_EQ(inside(ours), inside(expected))
        << name(op) << " of " << n << ", count " << count << ", threads " << threads << ", shifts "
        << shifts.source << " " << shifts.destination;
    EXPECT_TRUE(std::equal(second.begin, second.begin + bytes, expected.begin));
  }

  std::vector<Bytes> content_;
};

TEST_P(GroupArithmeticTest, has_the_bits_of_the_host_kernels) {
  const std::size_t elem = size_in_bytes(GetParam());
  const Shifts shifts[] = {{0, 0}, {elem, elem}, {8, 0}, {3 * elem, 3 * elem}, {1, 0}, {5, 5}};
  for (const ReduceOp op : kOps)
    for (const unsigned n : {1u, 2u, 3u, kSources})
      for (const std::size_t count : kCounts)
        for (const unsigned threads : {1u, 3u, 4u})
          for (const Shifts shift : shifts) {
            compare(op, n, count, threads, shift);
            if (HasFailure()) return;
          }
}

TEST_P(GroupArithmeticTest, divides_only_what_is_complete) {
  const std::size_t elem = size_in_bytes(GetParam());
  Bytes ours(kMaxCount * elem), expected(kMaxCount * elem);
  const void* sources[] = {content_[0].data(), content_[1].data()};
  void* const to[] = {ours.data()};
  void* const reference[] = {expected.data()};
  const GroupArithmetic average{GetParam(), ReduceOp::kAverage, 3};
  average.reduce(OneOf{0, 1}, to, 1, sources, 2, ours.size(), false, 0);
  compute::reduce_function(GetParam(), ReduceOp::kSum)({reference, 1, sources, 2, kMaxCount, 1, 0});
  EXPECT_EQ(ours, expected);
  average.partial().reduce(OneOf{0, 1}, to, 1, sources, 2, ours.size(), true, 0);
  EXPECT_EQ(ours, expected);
}

TEST_P(GroupArithmeticTest, works_in_place) {
  const std::size_t elem = size_in_bytes(GetParam());
  Bytes expected(kMaxCount * elem);
  const void* sources[] = {content_[0].data(), content_[1].data()};
  void* const reference[] = {expected.data()};
  compute::reduce_function(GetParam(), ReduceOp::kSum)({reference, 1, sources, 2, kMaxCount, 1, 0});
  void* const to[] = {content_[1].data()};
  for (unsigned t = 0; t < 4; ++t)
    GroupArithmetic{GetParam(), ReduceOp::kSum, 1}.reduce(OneOf{t, 4}, to, 1, sources, 2,
                                                          expected.size(), true, 0);
  EXPECT_EQ(content_[1], expected);
}

TEST_P(GroupArithmeticTest, scales_as_the_host) {
  const std::size_t elem = size_in_bytes(GetParam());
  for (const std::size_t shift : {std::size_t{0}, elem, std::size_t{1}}) {
    Area source(kMaxCount * elem, shift);
    std::memcpy(source.begin, content_[0].data(), kMaxCount * elem);
    Bytes ours(kMaxCount * elem), expected(kMaxCount * elem);
    for (unsigned t = 0; t < 3; ++t)
      scale_elements(OneOf{t, 3}, ours.data(), source.begin, kMaxCount, GetParam(), 0.7, 5);
    compute::scale(expected.data(), source.begin, kMaxCount, GetParam(), 0.7, 5);
    EXPECT_EQ(ours, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(channel, GroupArithmeticTest,
                         testing::ValuesIn(compute::reference::kTypes),
                         [](const auto& test) { return std::string(name(test.param)); });

TEST(GroupCopying, copies_its_source_to_every_destination) {
  Bytes source(100), first(100, 1), second(100, 2);
  for (std::size_t i = 0; i < 100; ++i) source[i] = static_cast<std::uint8_t>(i);
  const void* const sources[] = {source.data()};
  void* const to[] = {first.data(), second.data()};
  for (unsigned t = 0; t < 3; ++t)
    GroupCopying{}.reduce(OneOf{t, 3}, to, 2, sources, 1, 100, false, 0);
  EXPECT_EQ(first, source);
  EXPECT_EQ(second, source);
}

TEST(GroupCopy, moves_every_byte_once_wherever_it_lies) {
  constexpr std::size_t kBytes = 700;
  Bytes content(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) content[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  for (std::size_t from = 0; from < 17; ++from)
    for (std::size_t to = 0; to < 17; ++to)
      for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{15},
                                      std::size_t{40}, std::size_t{333}, kBytes})
        for (const unsigned threads : {1u, 3u, 4u}) {
          Area source(bytes, from), destination(bytes, to);
          std::memcpy(source.begin, content.data(), bytes);
          Bytes expected = destination.memory;
          std::memcpy(expected.data() + (destination.begin - destination.memory.data()),
                      content.data(), bytes);
          for (unsigned t = 0; t < threads; ++t)
            copy(OneOf{t, threads}, destination.begin, source.begin, bytes);
          ASSERT_EQ(destination.memory, expected)
              << from << " to " << to << ", " << bytes << " bytes, " << threads << " threads";
        }
}

}  // namespace
}  // namespace sluice
