// Which form a type becomes. What its bytes are is the business of random_test.cpp.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "datatype/layout.hpp"

namespace sluice::datatype {
namespace {

using Numbers = std::vector<std::int64_t>;

const LayoutPtr kByte = named(1), kInt = named(4), kDouble = named(8);

LayoutPtr pair_type() {  // MPI_DOUBLE_INT
  return resized(0, 16, structure(Numbers{1, 1}, Numbers{0, 8}, std::vector{kDouble, kInt}));
}

TEST(CanonicalForm, BlocksThatTouchAreOne) {
  EXPECT_EQ(contiguous(5, contiguous(3, kInt))->describe(), "block 60 @ 0");
  EXPECT_EQ(vector(4, 2, 2, kInt)->describe(), "block 32 @ 0");
  EXPECT_EQ(indexed(Numbers{2, 0, 3}, Numbers{1, 50, 3}, kInt)->describe(),
            "block 20 @ 4, extent 20 from 4");
  EXPECT_EQ(structure(Numbers{1, 2}, Numbers{0, 8}, std::vector{kDouble, kInt})->describe(),
            "block 16 @ 0");
}

TEST(CanonicalForm, OrderIsKept) {
  // A column of columns: the small stride is outside, and stays there.
  const auto transpose = hvector(4, 1, 8, vector(4, 1, 4, kDouble));
  EXPECT_EQ(transpose->describe(), "4 x 8: 4 x 32: block 8 @ 0");
  EXPECT_FALSE(transpose->contiguous());
  EXPECT_EQ(hvector(3, 1, 16, vector(2, 1, 8, kInt))->describe(),
            "3 x 16: 2 x 32: block 4 @ 0, extent 68");
  EXPECT_EQ(hvector(3, 1, -4, kInt)->describe(), "3 x -4: block 4 @ 0, extent 12 from -8");
  EXPECT_EQ(indexed_block(1, Numbers{1, 0}, kInt)->describe(), "2 x -4: block 4 @ 4");
}

TEST(CanonicalForm, RepetitionsFoldOnlyWhereTheyGoOn) {
  EXPECT_EQ(hvector(3, 1, 64, vector(4, 1, 2, kDouble))->describe(),
            "12 x 16: block 8 @ 0, extent 184");
  EXPECT_EQ(hvector(3, 1, 72, vector(4, 1, 2, kDouble))->describe(),
            "3 x 72: 4 x 16: block 8 @ 0, extent 200");
  EXPECT_EQ(hvector(3, 1, 48, vector(4, 1, 2, kDouble))->describe(),
            "3 x 48: 4 x 16: block 8 @ 0, extent 152");
}

TEST(CanonicalForm, AnElementOfManyGoesOnWhereItsExtentSaysSo) {
  const auto column = resized(0, 64, vector(4, 1, 2, kDouble));
  ASSERT_NE(column->many().shape, nullptr);
  EXPECT_EQ(column->many().shape->dimensions.size(), 1u);
  EXPECT_EQ(column->many().outer_count, 4);
  const auto others = resized(0, 8, vector(4, 1, 2, kDouble));
  EXPECT_EQ(others->many().shape->dimensions.size(), 2u);
  EXPECT_EQ(others->many().outer_count, 1);
}

/// The box of 3 planes, 4 rows, 5 ints each, in an array of 10 x 10 x 10 at {1, 2, 3}: as many say
/// it.
TEST(CanonicalForm, OneBoxIsOneForm) {
  const std::string box = "3 x 400: 4 x 40: block 20 @ 492";
  const auto form_of = [](const LayoutPtr& layout) {
    const std::string text = layout->describe();
    return text.substr(0, text.find(','));
  };
  EXPECT_EQ(form_of(subarray(Numbers{10, 10, 10}, Numbers{3, 4, 5}, Numbers{1, 2, 3},
                             ArrayOrder::kC, kInt)),
            "3 x 400: 4 x 40: block 20 @ 492");
  EXPECT_EQ(form_of(subarray(Numbers{10, 10, 10}, Numbers{5, 4, 3}, Numbers{3, 2, 1},
                             ArrayOrder::kFortran, kInt)),
            box);
  const auto plane = vector(4, 5, 10, kInt);
  EXPECT_EQ(form_of(hindexed_block(1, Numbers{492}, hvector(3, 1, 400, plane))), box);
  EXPECT_EQ(form_of(structure(Numbers{1, 1, 1}, Numbers{492, 892, 1292},
                              std::vector{plane, plane, plane})),
            box);
  Numbers rows, ones;
  for (std::int64_t i = 0; i < 12; ++i) rows.push_back(123 + i / 4 * 100 + i % 4 * 10);
  EXPECT_EQ(form_of(indexed_block(5, rows, kInt)), box);
  EXPECT_EQ(form_of(indexed(Numbers(12, 5), rows, kInt)), box);
  for (auto& row : rows) row *= 4;
  EXPECT_EQ(form_of(hindexed(Numbers(12, 5), rows, kInt)), box);
}

TEST(CanonicalForm, StructsAreRecords) {
  const auto record =
      structure(Numbers{1, 1, 3}, Numbers{0, 8, 16}, std::vector{kInt, kDouble, kByte});
  EXPECT_EQ(record->describe(), "record {0+4, 8+11} @ 0, extent 19");
  const auto array = contiguous(100, resized(0, 24, record));
  EXPECT_EQ(array->describe(), "100 x 24: record {0+4, 8+11} @ 0, extent 2400");
  EXPECT_EQ(array->blocks(), 200);
  EXPECT_EQ(array->smallest_block(), 4);
  EXPECT_EQ(array->largest_block(), 11);
}

TEST(CanonicalForm, SizeIsNotExtent) {
  const auto three = contiguous(3, pair_type());
  EXPECT_EQ(three->size(), 36);
  EXPECT_EQ(three->extent(), 48);
  EXPECT_EQ(three->describe(), "3 x 16: block 12 @ 0, extent 48");
}

TEST(CanonicalForm, ListsAreStoredOnce) {
  Numbers places;
  for (std::int64_t i = 0; i < 1000; ++i) places.push_back(i * i);
  const auto list = indexed_block(1, places, resized(0, 8, kInt));
  EXPECT_EQ(list->form().content, Content::kIndexed);
  const auto rows = hvector(500, 1, 1 << 23, list);
  EXPECT_EQ(rows->form().store, list->form().store);
  EXPECT_EQ(rows->blocks(), 500000);
  const auto field = structure(Numbers{1, 1}, Numbers{0, 1 << 30}, std::vector{rows, kInt});
  ASSERT_EQ(field->pieces().size(), 2u);
  EXPECT_EQ(field->pieces()[0].shape->offsets.data(), list->pieces()[0].shape->offsets.data());
}

TEST(CanonicalForm, PlacesOfWhatHasManyBlocksNameItOnce) {
  Numbers places;
  for (std::int64_t i = 0; i < 100; ++i) places.push_back(i * i * 1000);
  const auto column = vector(50, 1, 3, kDouble);
  const auto columns = hindexed_block(1, places, column);
  EXPECT_EQ(columns->form().content, Content::kPlaces);
  EXPECT_EQ(columns->pieces().size(), 100u);
  EXPECT_EQ(columns->blocks(), 5000);
  Numbers more;
  for (std::int64_t i = 0; i < 300; ++i) more.push_back(i * i * 1000);
  EXPECT_TRUE(hindexed_block(1, more, column)->pieces().empty());
}

TEST(CanonicalForm, NothingVanishes) {
  for (const auto& nothing :
       {contiguous(0, kInt), vector(3, 0, 5, kInt), hvector(0, 2, 5, kInt),
        indexed(Numbers{0, 0}, Numbers{5, 7}, kInt), indexed(Numbers{}, Numbers{}, kInt),
        structure(Numbers{}, Numbers{}, {}), contiguous(7, contiguous(0, kInt))}) {
    ASSERT_NE(nothing, nullptr);
    EXPECT_EQ(nothing->describe(), "empty");
    EXPECT_TRUE(nothing->contiguous());
    EXPECT_TRUE(nothing->pieces().empty());
    nothing->pack(nullptr, 5, nullptr);
    nothing->unpack(nullptr, 5, nullptr);
  }
  const auto marked = contiguous(2, resized(-8, 16, contiguous(0, kInt)));
  EXPECT_EQ(marked->lower_bound(), -8);
  EXPECT_EQ(marked->extent(), 32);
}

TEST(CanonicalForm, MarksCountMoreThanBytes) {
  // The int at 0 lies below the marked part, whose bounds are the struct's all the same.
  const auto marked =
      structure(Numbers{1, 1}, Numbers{0, 16}, std::vector{kInt, resized(-4, 12, kInt)});
  EXPECT_EQ(marked->lower_bound(), 12);
  EXPECT_EQ(marked->extent(), 12);
  EXPECT_EQ(marked->true_lower_bound(), 0);
  EXPECT_EQ(marked->true_extent(), 20);
}

TEST(CanonicalForm, RefusesWhatMpiRefuses) {
  EXPECT_EQ(named(-1), nullptr);
  EXPECT_EQ(contiguous(-1, kInt), nullptr);
  EXPECT_EQ(contiguous(1, nullptr), nullptr);
  EXPECT_EQ(vector(2, -1, 1, kInt), nullptr);
  EXPECT_EQ(indexed(Numbers{1, -1}, Numbers{0, 1}, kInt), nullptr);
  EXPECT_EQ(indexed(Numbers{1}, Numbers{0, 1}, kInt), nullptr);
  EXPECT_EQ(structure(Numbers{1}, Numbers{0}, std::vector{LayoutPtr()}), nullptr);
  EXPECT_EQ(subarray(Numbers{4}, Numbers{3}, Numbers{2}, ArrayOrder::kC, kInt), nullptr);
  EXPECT_EQ(subarray(Numbers{4}, Numbers{0}, Numbers{2}, ArrayOrder::kC, kInt), nullptr);
  const DistributedDimension block{10, Distribution::kBlock, 2, 4};  // 8 of 10
  EXPECT_EQ(darray(4, 0, {&block, 1}, ArrayOrder::kC, kInt), nullptr);
  const DistributedDimension right{10, Distribution::kBlock, kDefaultArgument, 4};
  EXPECT_NE(darray(4, 0, {&right, 1}, ArrayOrder::kC, kInt), nullptr);
  EXPECT_EQ(darray(5, 0, {&right, 1}, ArrayOrder::kC, kInt), nullptr);
  EXPECT_EQ(darray(4, 4, {&right, 1}, ArrayOrder::kC, kInt), nullptr);
}

TEST(CanonicalForm, RefusesWhatDoesNotFit63Bits) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  const auto large = contiguous(std::int64_t{1} << 40, kDouble);
  ASSERT_NE(large, nullptr);
  EXPECT_EQ(large->size(), std::int64_t{1} << 43);
  EXPECT_EQ(contiguous(std::int64_t{1} << 20, large), nullptr);
  EXPECT_EQ(hvector(3, 1, kHuge / 2, kDouble), nullptr);
  EXPECT_NE(hvector(2, 1, kHuge / 2, kDouble), nullptr);
  EXPECT_EQ(hindexed_block(1, Numbers{kHuge - 3}, kDouble), nullptr);
  EXPECT_EQ(hindexed_block(1, Numbers{-kHuge, kHuge - 100}, kDouble), nullptr);
  EXPECT_EQ(indexed_block(1, Numbers{kHuge / 4}, kDouble), nullptr);
  EXPECT_EQ(structure(Numbers{kHuge, 1}, Numbers{0, 5}, std::vector{kInt, kInt}), nullptr);
  EXPECT_EQ(resized(kHuge, 1, kInt), nullptr);
  EXPECT_EQ(subarray(Numbers{kHuge / 2, 4}, Numbers{1, 1}, Numbers{0, 0}, ArrayOrder::kC, kInt),
            nullptr);
}

TEST(CanonicalForm, StridesOfManyGigabytesStay) {
  const auto far = hvector(2, 1, std::int64_t{5} << 30, kDouble);
  EXPECT_EQ(far->describe(), "2 x 5368709120: block 8 @ 0, extent 5368709128");
}

TEST(CanonicalForm, PartsInPartsHaveALimit) {
  LayoutPtr nested = vector(50, 1, 3, kDouble);
  int levels = 0;
  while (nested != nullptr && levels < 1000) {
    const std::int64_t far = nested->extent() + 24;
    nested =
        structure(Numbers{1, 1, 1}, Numbers{0, far, far + 100}, std::vector{nested, kInt, kDouble});
    ++levels;
  }
  EXPECT_EQ(nested, nullptr);
  EXPECT_GT(levels, 60);
  EXPECT_LT(levels, 70);
}

}  // namespace
}  // namespace sluice::datatype
