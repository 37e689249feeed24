// The makers that repeat and list, with the bounds that MPI gives their types. Arrays: arrays.cpp.
#include "datatype/layout.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "datatype/make_layout.hpp"

namespace sluice::datatype {

Layout::Layout(Form form, Bounds bounds, Range true_range)
    : run_(std::move(form), bounds.extent), bounds_(bounds), true_range_(true_range) {}

LayoutPtr make_layout(Form form, const Layout::Bounds& bounds, Checked& math) {
  const Range range = true_range(form, math);
  math.add(bounds.lower, bounds.extent);
  math.subtract(range.high, range.low);
  if (math.failed()) return nullptr;
  return std::make_shared<const Layout>(std::move(form), bounds, range);
}

namespace {

/// Bounds of what is made of several: of those parts that a resized type has marked, if there is
/// such a part.
class Hull {
 public:
  explicit Hull(Checked& math) : math_(math) {}

  /// Elements of `part` from `offset` on, the last one of them `way` behind the first.
  void add(const Layout& part, std::int64_t offset, Range way) {
    const Layout::Bounds& bounds = part.bounds();
    if (part.size() == 0 && !bounds.marked) return;
    if (marked_ && !bounds.marked) return;
    const std::int64_t lower = math_.add(math_.add(offset, bounds.lower), way.low);
    const std::int64_t upper =
        math_.add(math_.add(offset, math_.add(bounds.lower, bounds.extent)), way.high);
    const bool first = !any_ || (bounds.marked && !marked_);
    lower_ = first ? lower : std::min(lower_, lower);
    upper_ = first ? upper : std::max(upper_, upper);
    any_ = true;
    marked_ = bounds.marked;
  }
  /// `count` elements, `stride` apart: how far the last one is away.
  Range way(std::int64_t count, std::int64_t stride) {
    const std::int64_t way = math_.multiply(count - 1, stride);
    return {std::min<std::int64_t>(way, 0), std::max<std::int64_t>(way, 0)};
  }
  Layout::Bounds bounds() { return {lower_, math_.subtract(upper_, lower_), marked_}; }

 private:
  Checked& math_;
  bool any_ = false;
  bool marked_ = false;
  std::int64_t lower_ = 0;
  std::int64_t upper_ = 0;
};

/// The bounds of an index list; fails where a length is negative.
Layout::Bounds list_bounds(const Entries& entries, const Layout& old, Checked& math) {
  const bool forward = old.extent() >= 0;
  std::int64_t lowest = 0, highest = 0;  // where elements begin
  bool any = false;
  for (std::size_t i = 0; i < entries.displacements.size(); ++i) {
    const std::int64_t length = entries.length_of(i);
    if (length < 0) math.fail();
    if (length <= 0) continue;
    const std::int64_t first = math.multiply(entries.displacements[i], entries.scale);
    const std::int64_t last = math.add(first, math.multiply(length - 1, old.extent()));
    const std::int64_t low = forward ? first : last;
    const std::int64_t high = forward ? last : first;
    lowest = any ? std::min(lowest, low) : low;
    highest = any ? std::max(highest, high) : high;
    any = true;
  }
  Hull hull(math);
  if (any) hull.add(old, 0, {lowest, highest});
  return hull.bounds();
}

LayoutPtr index_layout(const Entries& entries, const LayoutPtr& old) {
  if (old == nullptr || entries.length < 0) return nullptr;
  if (entries.displacements.size() > static_cast<std::size_t>(kMaxListEntries)) return nullptr;
  Checked math;
  const Layout::Bounds bounds = list_bounds(entries, *old, math);
  if (math.failed()) return nullptr;
  Form form = index_list(entries, old->form(), old->extent(), math);
  return make_layout(std::move(form), bounds, math);
}

LayoutPtr blocks_of_elements(std::int64_t count, std::int64_t block_length, std::int64_t stride,
                             const LayoutPtr& old, Checked& math) {
  if (count < 0 || block_length < 0 || math.failed()) return nullptr;
  Hull hull(math);
  if (count > 0 && block_length > 0) {
    const Range inner = hull.way(block_length, old->extent());
    const Range outer = hull.way(count, stride);
    hull.add(*old, 0, {math.add(inner.low, outer.low), math.add(inner.high, outer.high)});
  }
  Form form = repeat(repeat(old->form(), block_length, old->extent(), math), count, stride, math);
  return make_layout(std::move(form), hull.bounds(), math);
}

}  // namespace

LayoutPtr named(std::int64_t size) {
  if (size < 0) return nullptr;
  Checked math;
  return make_layout(block_form(0, size), {0, size, false}, math);
}

LayoutPtr contiguous(std::int64_t count, const LayoutPtr& old) {
  if (old == nullptr) return nullptr;
  Checked math;
  return blocks_of_elements(1, count, 0, old, math);
}

LayoutPtr vector(std::int64_t count, std::int64_t block_length, std::int64_t stride_elems,
                 const LayoutPtr& old) {
  if (old == nullptr) return nullptr;
  Checked math;
  const std::int64_t stride = count > 1 ? math.multiply(stride_elems, old->extent()) : 0;
  return blocks_of_elements(count, block_length, stride, old, math);
}

LayoutPtr hvector(std::int64_t count, std::int64_t block_length, std::int64_t stride_bytes,
                  const LayoutPtr& old) {
  if (old == nullptr) return nullptr;
  Checked math;
  return blocks_of_elements(count, block_length, stride_bytes, old, math);
}

LayoutPtr indexed(std::span<const std::int64_t> block_lengths,
                  std::span<const std::int64_t> displacements, const LayoutPtr& old) {
  if (old == nullptr || block_lengths.size() != displacements.size()) return nullptr;
  return index_layout({block_lengths, 0, displacements, old->extent()}, old);
}

LayoutPtr hindexed(std::span<const std::int64_t> block_lengths,
                   std::span<const std::int64_t> displacements, const LayoutPtr& old) {
  if (block_lengths.size() != displacements.size()) return nullptr;
  return index_layout({block_lengths, 0, displacements, 1}, old);
}

LayoutPtr indexed_block(std::int64_t block_length, std::span<const std::int64_t> displacements,
                        const LayoutPtr& old) {
  if (old == nullptr) return nullptr;
  return index_layout({{}, block_length, displacements, old->extent()}, old);
}

LayoutPtr hindexed_block(std::int64_t block_length, std::span<const std::int64_t> displacements,
                         const LayoutPtr& old) {
  return index_layout({{}, block_length, displacements, 1}, old);
}

LayoutPtr structure(std::span<const std::int64_t> block_lengths,
                    std::span<const std::int64_t> displacements, std::span<const LayoutPtr> olds) {
  const std::size_t n = olds.size();
  if (block_lengths.size() != n || displacements.size() != n) return nullptr;
  if (n > static_cast<std::size_t>(kMaxListEntries)) return nullptr;
  Checked math;
  Hull hull(math);
  bool only_blocks = true;
  for (std::size_t i = 0; i < n; ++i) {
    if (olds[i] == nullptr || block_lengths[i] < 0) return nullptr;
    if (block_lengths[i] == 0) continue;
    const Layout& old = *olds[i];
    hull.add(old, displacements[i], hull.way(block_lengths[i], old.extent()));
    const bool one_block =
        old.form().one_block() && (block_lengths[i] == 1 || old.size() == old.extent());
    only_blocks = only_blocks && (one_block || old.size() == 0);
  }
  const Layout::Bounds bounds = hull.bounds();
  if (math.failed()) return nullptr;
  if (only_blocks) {
    Blocks blocks;
    blocks.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      const Layout& old = *olds[i];
      if (block_lengths[i] == 0 || old.size() == 0) continue;
      add_block(blocks, math.add(displacements[i], old.form().offset),
                math.multiply(block_lengths[i], old.size()), math);
    }
    return make_layout(from_blocks(std::move(blocks), math), bounds, math);
  }
  std::vector<Form> parts;
  parts.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    Form part = repeat(olds[i]->form(), block_lengths[i], olds[i]->extent(), math);
    if (part.empty()) continue;
    part.offset = math.add(part.offset, displacements[i]);
    parts.push_back(std::move(part));
  }
  return make_layout(sequence(std::move(parts), math), bounds, math);
}

LayoutPtr resized(std::int64_t lower_bound, std::int64_t extent, const LayoutPtr& old) {
  if (old == nullptr) return nullptr;
  Checked math;
  return make_layout(old->form(), {lower_bound, extent, true}, math);
}

}  // namespace sluice::datatype
