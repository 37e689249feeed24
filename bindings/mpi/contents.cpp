#include "bindings/mpi/contents.hpp"

#include <array>
#include <bit>

namespace sluice::mpi {
namespace {

using datatype::LayoutPtr;
using Numbers = std::span<const std::int64_t>;

/// `count` numbers from `from`; none where there are not that many.
Numbers part(const Contents& contents, std::int64_t from, std::int64_t count) {
  const auto all = static_cast<std::int64_t>(contents.numbers.size());
  if (from < 0 || count < 0 || count > all - from) return {};
  return Numbers(contents.numbers)
      .subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count));
}

/// count, lengths, displacements: all there.
bool lists_fit(const Contents& contents, std::int64_t lists, std::int64_t before) {
  if (contents.numbers.empty() || contents.numbers[0] < 0) return false;
  return static_cast<std::int64_t>(contents.numbers.size()) == before + lists * contents.numbers[0];
}

LayoutPtr of_lists(const Contents& contents) {
  if (!lists_fit(contents, 2, 1)) return nullptr;
  const std::int64_t count = contents.numbers[0];
  const Numbers lengths = part(contents, 1, count);
  const Numbers displacements = part(contents, 1 + count, count);
  switch (contents.combiner) {
    case Combiner::kIndexed: return datatype::indexed(lengths, displacements, contents.olds[0]);
    case Combiner::kHindexed: return datatype::hindexed(lengths, displacements, contents.olds[0]);
    default:
      if (static_cast<std::int64_t>(contents.olds.size()) != count) return nullptr;
      return datatype::structure(lengths, displacements, contents.olds);
  }
}

LayoutPtr of_equal_blocks(const Contents& contents) {
  if (!lists_fit(contents, 1, 2)) return nullptr;
  const Numbers displacements = part(contents, 2, contents.numbers[0]);
  return contents.combiner == Combiner::kIndexedBlock
             ? datatype::indexed_block(contents.numbers[1], displacements, contents.olds[0])
             : datatype::hindexed_block(contents.numbers[1], displacements, contents.olds[0]);
}

LayoutPtr of_subarray(const Contents& contents) {
  const auto dimensions = static_cast<std::int64_t>(contents.numbers.size() / 3);
  return datatype::subarray(part(contents, 0, dimensions), part(contents, dimensions, dimensions),
                            part(contents, 2 * dimensions, dimensions), contents.order,
                            contents.olds[0]);
}

bool has(const Contents& contents, std::size_t numbers) {
  return contents.numbers.size() == numbers;
}

}  // namespace

LayoutPtr layout_of(const Contents& contents) {
  for (const LayoutPtr& old : contents.olds)
    if (old == nullptr) return nullptr;
  const bool may_have_no_old = contents.combiner == Combiner::kStruct;
  if (contents.olds.empty() && !may_have_no_old) return nullptr;
  const auto& n = contents.numbers;
  switch (contents.combiner) {
    case Combiner::kDup: return contents.olds[0];
    case Combiner::kContiguous:
      return has(contents, 1) ? datatype::contiguous(n[0], contents.olds[0]) : nullptr;
    case Combiner::kVector:
      return has(contents, 3) ? datatype::vector(n[0], n[1], n[2], contents.olds[0]) : nullptr;
    case Combiner::kHvector:
      return has(contents, 3) ? datatype::hvector(n[0], n[1], n[2], contents.olds[0]) : nullptr;
    case Combiner::kIndexed:
    case Combiner::kHindexed:
    case Combiner::kStruct: return of_lists(contents);
    case Combiner::kIndexedBlock:
    case Combiner::kHindexedBlock: return of_equal_blocks(contents);
    case Combiner::kSubarray: return of_subarray(contents);
    case Combiner::kDarray:
      return datatype::darray(contents.processes, contents.rank, contents.dimensions,
                              contents.order, contents.olds[0]);
    case Combiner::kResized:
      return has(contents, 2) ? datatype::resized(n[0], n[1], contents.olds[0]) : nullptr;
    case Combiner::kNamed:
    case Combiner::kUnknown: return nullptr;
  }
  return nullptr;
}

LayoutPtr with_bounds(LayoutPtr layout, const Contents& contents) {
  if (layout == nullptr ||
      (layout->lower_bound() == contents.lower_bound && layout->extent() == contents.extent))
    return layout;
  return datatype::resized(contents.lower_bound, contents.extent, layout);
}

LayoutPtr layout_of_named(std::int64_t size, std::int64_t extent) {
  if (size < 0 || extent < size) return nullptr;
  if (size == extent) return datatype::named(size);
  // A value and an int.
  constexpr std::int64_t kInt = sizeof(int);
  const std::int64_t value = size - kInt;
  if (value <= 0 || !std::has_single_bit(static_cast<std::uint64_t>(value))) return nullptr;
  const std::int64_t behind = value < kInt ? kInt : value;
  if (behind + kInt > extent) return nullptr;
  const std::array<std::int64_t, 2> lengths = {1, 1};
  const std::array<std::int64_t, 2> displacements = {0, behind};
  const std::array<LayoutPtr, 2> olds = {datatype::named(value), datatype::named(kInt)};
  return datatype::resized(0, extent, datatype::structure(lengths, displacements, olds));
}

}  // namespace sluice::mpi
