// Dimensions, blocks and lists of blocks. What is made of several forms: sequence.cpp.
#include "datatype/form.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "datatype/form_lists.hpp"

namespace sluice::datatype {

namespace {

/// Sums, extremes and ends of a list's blocks.
void measure(Form& form, std::span<const Block> blocks, Checked& math) {
  form.leaf_blocks = static_cast<std::int64_t>(blocks.size());
  form.leaves = 1;
  form.smallest = form.largest = blocks[0].bytes;
  form.low = blocks[0].offset;
  form.high = math.add(blocks[0].offset, blocks[0].bytes);
  for (const Block& block : blocks) {
    form.leaf_bytes = math.add(form.leaf_bytes, block.bytes);
    form.smallest = std::min(form.smallest, block.bytes);
    form.largest = std::max(form.largest, block.bytes);
    form.low = std::min(form.low, block.offset);
    form.high = std::max(form.high, math.add(block.offset, block.bytes));
  }
}

}  // namespace

Range true_range(const Form& form, Checked& math) {
  if (form.empty()) return {};
  Range range{math.add(form.offset, form.low), math.add(form.offset, form.high)};
  for (const Dimension& dimension : form.dimensions.span()) {
    const std::int64_t way = math.multiply(dimension.count - 1, dimension.stride);
    std::int64_t& end = way < 0 ? range.low : range.high;
    end = math.add(end, way);
  }
  return range;
}

Form block_form(std::int64_t offset, std::int64_t bytes) {
  Form form;
  if (bytes == 0) return form;
  form.content = Content::kBlock;
  form.offset = offset;
  form.block_bytes = form.leaf_bytes = form.smallest = form.largest = form.high = bytes;
  form.leaf_blocks = form.leaves = 1;
  return form;
}

Form repeat(Form form, std::int64_t count, std::int64_t stride, Checked& math) {
  if (count == 0 || form.empty()) return {};
  if (count == 1) return form;
  if (form.one_block() && stride == form.block_bytes)
    return block_form(form.offset, math.multiply(count, stride));
  math.multiply(form.bytes(), count);
  form.leaves = math.multiply(form.leaves, count);
  math.multiply(form.leaf_blocks, form.leaves);
  if (!form.dimensions.empty() && leads_on(form.dimensions[0], stride))
    form.dimensions[0].count = math.multiply(form.dimensions[0].count, count);
  else
    form.dimensions.push_front({count, stride});
  return form;
}

void add_block(Blocks& blocks, std::int64_t offset, std::int64_t bytes, Checked& math) {
  if (bytes == 0) return;
  if (!blocks.empty()) {
    Block& last = blocks.back();
    if (math.add(last.offset, last.bytes) == offset) {
      last.bytes = math.add(last.bytes, bytes);
      return;
    }
  }
  blocks.push_back({offset, bytes});
}

Form from_offsets(std::vector<std::int64_t> offsets, std::int64_t block_bytes, Checked& math) {
  Form form = block_form(offsets[0], block_bytes);
  const std::size_t n = offsets.size();
  const auto count = static_cast<std::int64_t>(n);
  math.multiply(count, block_bytes);
  form.dimensions = as_dimensions(n, [&](std::size_t i) { return offsets[i]; });
  if (!form.dimensions.empty()) {
    form.leaves = count;
    return form;
  }
  const auto [lowest, highest] = std::minmax_element(offsets.begin(), offsets.end());
  form.low = math.subtract(*lowest, form.offset);
  form.high = math.add(math.subtract(*highest, form.offset), block_bytes);
  if (math.failed()) return {};
  form.content = Content::kIndexed;
  form.leaf_bytes = count * block_bytes;
  form.leaf_blocks = count;
  for (std::int64_t& offset : offsets) offset -= form.offset;
  const auto store = std::make_shared<Store>();
  store->offsets = std::move(offsets);
  form.store = store;
  return form;
}

Form from_blocks(Blocks blocks, Checked& math) {
  if (blocks.empty() || math.failed()) return {};
  if (blocks.size() == 1) return block_form(blocks[0].offset, blocks[0].bytes);
  const std::span<const Block> all = blocks.span();
  const std::size_t n = all.size();
  const std::int64_t origin = all[0].offset;
  const bool equal = std::all_of(all.begin(), all.end(),
                                 [&](const Block& block) { return block.bytes == all[0].bytes; });
  if (equal && n > kMaxFields) {
    std::vector<std::int64_t> offsets(n);
    for (std::size_t i = 0; i < n; ++i) offsets[i] = all[i].offset;
    return from_offsets(std::move(offsets), all[0].bytes, math);
  }
  if (equal) {
    Dimensions regular = as_dimensions(n, [&](std::size_t i) { return all[i].offset; });
    if (!regular.empty()) {
      Form form = block_form(origin, all[0].bytes);
      form.leaves = static_cast<std::int64_t>(n);
      math.multiply(form.leaves, form.leaf_bytes);
      form.dimensions = std::move(regular);
      return form;
    }
  }
  for (std::size_t i = 0; i < n; ++i) blocks[i].offset = math.subtract(blocks[i].offset, origin);
  Form form;
  measure(form, blocks.span(), math);
  form.offset = origin;
  const auto store = std::make_shared<Store>();
  store->fields = blocks.take();
  if (n <= kMaxFields) {
    form.content = Content::kRecord;
  } else {
    form.content = Content::kRagged;
    store->starts = packed_starts(n, [&](std::size_t i) { return store->fields[i].bytes; });
  }
  form.store = store;
  return form;
}

}  // namespace sluice::datatype
