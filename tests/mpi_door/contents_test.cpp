// From a constructor's arguments to a layout.
#include "bindings/mpi/contents.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::mpi {
namespace {

using datatype::LayoutPtr;

Contents made_with(Combiner combiner, std::vector<std::int64_t> numbers, std::int64_t old_size) {
  Contents contents;
  contents.combiner = combiner;
  contents.numbers = std::move(numbers);
  contents.olds = {datatype::named(old_size)};
  return contents;
}

TEST(Contents, VectorsTakeCountLengthStride) {
  const LayoutPtr vector = layout_of(made_with(Combiner::kVector, {3, 2, 5}, 8));
  ASSERT_NE(vector, nullptr);
  EXPECT_EQ(vector->size(), 3 * 2 * 8);
  EXPECT_EQ(vector->extent(), (2 * 5 + 2) * 8);
  const LayoutPtr hvector = layout_of(made_with(Combiner::kHvector, {3, 2, 40}, 8));
  ASSERT_NE(hvector, nullptr);
  EXPECT_EQ(hvector->extent(), 2 * 40 + 16);
}

TEST(Contents, ListsAreCountThenLengthsThenDisplacements) {
  const LayoutPtr indexed = layout_of(made_with(Combiner::kIndexed, {2, 1, 3, 10, 0}, 4));
  ASSERT_NE(indexed, nullptr);
  EXPECT_EQ(indexed->size(), 16);
  EXPECT_EQ(indexed->true_extent(), 44);
  const LayoutPtr blocks = layout_of(made_with(Combiner::kHindexedBlock, {3, 2, 0, 100, 200}, 4));
  ASSERT_NE(blocks, nullptr);
  EXPECT_EQ(blocks->size(), 3 * 8);
  EXPECT_EQ(blocks->true_extent(), 208);
}

TEST(Contents, WrongNumbersAreNoType) {
  EXPECT_EQ(layout_of(made_with(Combiner::kVector, {3, 2}, 8)), nullptr);
  EXPECT_EQ(layout_of(made_with(Combiner::kIndexed, {4, 1, 3, 10, 0}, 4)), nullptr);
  EXPECT_EQ(layout_of(made_with(Combiner::kIndexedBlock, {}, 4)), nullptr);
  EXPECT_EQ(layout_of(made_with(Combiner::kUnknown, {1}, 4)), nullptr);
  Contents without_old = made_with(Combiner::kContiguous, {1}, 4);
  without_old.olds = {nullptr};
  EXPECT_EQ(layout_of(without_old), nullptr);
}

TEST(Contents, AnEmptyStructIsOne) {
  Contents contents;
  contents.combiner = Combiner::kStruct;
  contents.numbers = {0};
  const LayoutPtr empty = layout_of(contents);
  ASSERT_NE(empty, nullptr);
  EXPECT_EQ(empty->size(), 0);
}

TEST(Contents, PairsHaveTheGapsOfTheirStructs) {
  struct DoubleInt {
    double value;
    int index;
  };
  const LayoutPtr double_int = layout_of_named(12, sizeof(DoubleInt));
  ASSERT_NE(double_int, nullptr);
  EXPECT_EQ(double_int->size(), 12);
  EXPECT_EQ(double_int->extent(), 16);
  const DoubleInt from[2] = {{1.5, 7}, {2.5, 8}};
  std::vector<std::byte> packed(24);
  double_int->pack(from, 2, packed.data());
  DoubleInt to[2] = {};
  double_int->unpack(packed.data(), 2, to);
  EXPECT_EQ(to[1].value, 2.5);
  EXPECT_EQ(to[0].index, 7);
  EXPECT_EQ(to[1].index, 8);

  struct ShortInt {
    short value;
    int index;
  };
  const LayoutPtr short_int = layout_of_named(6, sizeof(ShortInt));
  ASSERT_NE(short_int, nullptr);
  const ShortInt one{-3, 99};
  ShortInt other{};
  std::vector<std::byte> six(6);
  short_int->pack(&one, 1, six.data());
  short_int->unpack(six.data(), 1, &other);
  EXPECT_EQ(other.value, -3);
  EXPECT_EQ(other.index, 99);
}

TEST(Contents, AnUnknownNamedTypeIsNotGuessed) {
  EXPECT_EQ(layout_of_named(7, 16), nullptr);
  EXPECT_EQ(layout_of_named(8, 4), nullptr);
  ASSERT_NE(layout_of_named(16, 16), nullptr);
}

}  // namespace
}  // namespace sluice::mpi
