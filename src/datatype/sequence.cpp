// Forms of several forms: structs, and index lists of what is not one block.
#include <algorithm>
#include <memory>
#include <utility>

#include "datatype/form.hpp"
#include "datatype/form_lists.hpp"
#include "datatype/run.hpp"

namespace sluice::datatype {

namespace {

/// A list of n entries may become one of so many blocks, rather than entries that refer to a form.
std::int64_t affordable_blocks(std::size_t n) {
  return std::max<std::int64_t>(kMaxFields, 8 * static_cast<std::int64_t>(n));
}

void append_blocks(const Form& form, std::int64_t at, Blocks& blocks, Checked& math);

void append_leaf(const Form& form, std::int64_t at, Blocks& blocks, Checked& math) {
  switch (form.content) {
    case Content::kEmpty: break;
    case Content::kBlock: add_block(blocks, at, form.block_bytes, math); break;
    case Content::kRecord:
    case Content::kRagged:
      for (const Block& field : form.store->fields)
        add_block(blocks, math.add(at, field.offset), field.bytes, math);
      break;
    case Content::kIndexed:
      for (const std::int64_t offset : form.store->offsets)
        add_block(blocks, math.add(at, offset), form.block_bytes, math);
      break;
    case Content::kParts:
      for (const auto& part : form.store->parts) append_blocks(part->form(), at, blocks, math);
      break;
    case Content::kPlaces:
      for (std::size_t i = 0; i < form.store->offsets.size(); ++i) {
        const Run& part = *form.store->parts.front();
        const std::int64_t count = form.store->counts.empty() ? 1 : form.store->counts[i];
        for (std::int64_t k = 0; k < count; ++k)
          append_blocks(part.form(), at + form.store->offsets[i] + k * part.stride(), blocks, math);
      }
      break;
  }
}

void append_steps(const Form& form, std::span<const Dimension> dimensions, std::int64_t at,
                  Blocks& blocks, Checked& math) {
  if (dimensions.empty()) return append_leaf(form, at, blocks, math);
  for (std::int64_t i = 0; i < dimensions[0].count; ++i)
    append_steps(form, dimensions.subspan(1), math.add(at, i * dimensions[0].stride), blocks, math);
}

/// Every block of the form; only for few.
void append_blocks(const Form& form, std::int64_t at, Blocks& blocks, Checked& math) {
  append_steps(form, form.dimensions.span(), math.add(at, form.offset), blocks, math);
}

bool same_dimensions(std::span<const Dimension> a, std::span<const Dimension> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

bool same_content(const Form& a, const Form& b) {
  if (a.content != b.content || a.leaf_bytes != b.leaf_bytes || a.block_bytes != b.block_bytes)
    return false;
  if (a.store == b.store) return true;
  return a.content < Content::kParts && a.store != nullptr && b.store != nullptr &&
         a.store->fields == b.store->fields && a.store->offsets == b.store->offsets;
}

bool same_shape(const Form& a, const Form& b) {
  return same_dimensions(a.dimensions.span(), b.dimensions.span()) && same_content(a, b);
}

/// Makes `next` a part of `last`, if what they are together is as simple as `last`.
bool join(Form& last, const Form& next, Checked& math) {
  if (last.one_block() && next.one_block()) {
    if (math.add(last.offset, last.block_bytes) != next.offset) return false;
    last = block_form(last.offset, math.add(last.block_bytes, next.block_bytes));
    return true;
  }
  const std::span<const Dimension> steps = last.dimensions.span();
  const std::span<const Dimension> more = next.dimensions.span();
  // `next` as steps that go on: one of them, or several with the same stride.
  if (steps.empty() || !same_content(last, next)) return false;
  const bool one = same_dimensions(more, steps.subspan(1));
  const bool several = !more.empty() && more[0].stride == steps[0].stride &&
                       same_dimensions(more.subspan(1), steps.subspan(1));
  if (!one && !several) return false;
  std::int64_t way;
  if (__builtin_sub_overflow(next.offset, last.offset, &way) || !leads_on(steps[0], way))
    return false;
  Dimension& grown = last.dimensions[0];
  grown.count = math.add(grown.count, one ? 1 : more[0].count);
  last.leaves = math.add(last.leaves, next.leaves);
  math.multiply(last.leaves, last.leaf_bytes);
  return true;
}

/// What a form with this store has of the totals: `entries` are pairs of a form and how often.
class Totals {
 public:
  explicit Totals(Checked& math) : math_(math) {}
  /// `count` elements of the form, `stride` apart, at `offset`.
  void add(const Form& part, std::int64_t offset, std::int64_t count, std::int64_t stride) {
    Range range = true_range(part, math_);
    const std::int64_t way = math_.multiply(count - 1, stride);
    range.low = math_.add(math_.add(range.low, offset), std::min<std::int64_t>(way, 0));
    range.high = math_.add(math_.add(range.high, offset), std::max<std::int64_t>(way, 0));
    const bool first = form_.empty();
    form_.content = Content::kParts;
    form_.low = first ? range.low : std::min(form_.low, range.low);
    form_.high = first ? range.high : std::max(form_.high, range.high);
    form_.smallest = first ? part.smallest : std::min(form_.smallest, part.smallest);
    form_.largest = std::max(form_.largest, part.largest);
    form_.leaf_bytes = math_.add(form_.leaf_bytes, math_.multiply(count, part.bytes()));
    form_.leaf_blocks = math_.add(form_.leaf_blocks, math_.multiply(count, part.blocks()));
    form_.depth = std::max(form_.depth, part.depth + 1);
  }
  Form form(Content content, std::shared_ptr<const Store> store) {
    form_.content = content;
    form_.leaves = 1;
    form_.store = std::move(store);
    if (form_.depth > kMaxDepth) math_.fail();
    return std::move(form_);
  }

 private:
  Checked& math_;
  Form form_;
};

/// The form at each of `offsets`; `counts`, where there are any, elements of it there, `stride`
/// apart.
Form places(std::vector<std::int64_t> offsets, std::vector<std::int64_t> counts, Form part,
            std::int64_t stride, Checked& math) {
  Totals totals(math);
  for (std::size_t i = 0; i < offsets.size(); ++i)
    totals.add(part, offsets[i], counts.empty() ? 1 : counts[i], stride);
  if (math.failed()) return {};
  const auto store = std::make_shared<Store>();
  store->offsets = std::move(offsets);
  store->counts = std::move(counts);
  if (!store->counts.empty()) {
    store->starts = packed_starts(store->counts.size(),
                                  [&](std::size_t i) { return store->counts[i] * part.bytes(); });
  }
  store->parts.push_back(std::make_unique<const Run>(std::move(part), stride));
  return totals.form(Content::kPlaces, store);
}

Form in_parts(std::vector<Form> parts, Checked& math) {
  Totals totals(math);
  for (const Form& part : parts) totals.add(part, 0, 1, 0);
  if (math.failed()) return {};
  const auto store = std::make_shared<Store>();
  store->starts = packed_starts(parts.size(), [&](std::size_t i) { return parts[i].bytes(); });
  store->parts.reserve(parts.size());
  for (Form& part : parts) {
    const std::int64_t bytes = part.bytes();
    store->parts.push_back(std::make_unique<const Run>(std::move(part), bytes));
  }
  return totals.form(Content::kParts, store);
}

/// The same form, without an offset of its own, at each offset: regular, few blocks, or places.
Form at_offsets(std::vector<std::int64_t> offsets, Form part, Checked& math) {
  const std::size_t n = offsets.size();
  if (n == 1) {
    part.offset = math.add(part.offset, offsets[0]);
    return part;
  }
  const Dimensions regular = as_dimensions(n, [&](std::size_t i) { return offsets[i]; });
  if (!regular.empty()) {
    part.offset = math.add(part.offset, offsets[0]);
    for (std::size_t i = regular.size(); i-- > 0;)
      part = repeat(std::move(part), regular[i].count, regular[i].stride, math);
    return part;
  }
  const std::int64_t blocks = math.multiply(static_cast<std::int64_t>(n), part.blocks());
  if (math.failed()) return {};
  if (blocks > affordable_blocks(n))
    return places(std::move(offsets), {}, std::move(part), 0, math);
  Blocks list;
  list.reserve(static_cast<std::size_t>(blocks));
  for (const std::int64_t offset : offsets) append_blocks(part, offset, list, math);
  return from_blocks(std::move(list), math);
}

/// What there is to know of a list's lengths before anything is made of it.
struct Lengths {
  std::int64_t shortest = 0;  ///< of those that are not 0
  std::int64_t longest = 0;
  std::int64_t sum = 0;
  std::size_t some = 0;  ///< how many are not 0
};
Lengths survey(const Entries& entries, Checked& math) {
  const std::size_t n = entries.displacements.size();
  if (entries.lengths.empty()) {
    const std::int64_t sum = math.multiply(entries.length, static_cast<std::int64_t>(n));
    return {entries.length, entries.length, sum, entries.length == 0 ? 0 : n};
  }
  Lengths lengths;
  for (const std::int64_t length : entries.lengths) {
    if (length == 0) continue;
    lengths.shortest = lengths.some == 0 ? length : std::min(lengths.shortest, length);
    lengths.longest = std::max(lengths.longest, length);
    lengths.sum = math.add(lengths.sum, length);
    ++lengths.some;
  }
  return lengths;
}

/// Whether blocks of one length, of which some touch the one before, stay as many as they are:
/// moving short ones of one length is quicker than joining them to fewer of lengths that nobody can
/// guess.
bool stays_in_blocks(std::size_t blocks, std::size_t touching, std::int64_t bytes) {
  constexpr std::int64_t kShortBytes = 16;  // moved by one load and one store
  return bytes <= kShortBytes ? touching <= blocks / 4 * 3 : touching <= blocks / 16;
}

/// Blocks of `unit` bytes an element.
Form list_of_blocks(const Entries& entries, const Lengths& lengths, std::int64_t base,
                    std::int64_t unit, Checked& math) {
  const std::size_t n = entries.displacements.size();
  const auto offset_of = [&](std::size_t i) {
    return math.add(math.multiply(entries.displacements[i], entries.scale), base);
  };
  if (lengths.some > kMaxFields && lengths.shortest == lengths.longest) {
    const std::int64_t bytes = math.multiply(lengths.longest, unit);
    std::vector<std::int64_t> offsets;
    offsets.reserve(lengths.some);
    std::size_t touching = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (entries.length_of(i) == 0) continue;
      const std::int64_t offset = offset_of(i);
      if (!offsets.empty() && math.add(offsets.back(), bytes) == offset) ++touching;
      offsets.push_back(offset);
    }
    if (math.failed()) return {};
    if (stays_in_blocks(offsets.size(), touching, bytes))
      return from_offsets(std::move(offsets), bytes, math);
  }
  Blocks list;
  list.reserve(lengths.some);
  for (std::size_t i = 0; i < n; ++i) {
    const std::int64_t length = entries.length_of(i);
    if (length != 0) add_block(list, offset_of(i), math.multiply(length, unit), math);
  }
  return from_blocks(std::move(list), math);
}

}  // namespace

Form sequence(std::vector<Form> parts, Checked& math) {
  std::erase_if(parts, [](const Form& part) { return part.empty(); });
  if (math.failed() || parts.empty()) return {};
  if (parts.size() == 1) return std::move(parts[0]);
  const std::size_t given = parts.size();
  const auto all_same = [&] {
    return std::all_of(parts.begin() + 1, parts.end(),
                       [&](const Form& part) { return same_shape(parts[0], part); });
  };
  if (all_same()) {
    std::vector<std::int64_t> offsets(given);
    for (std::size_t i = 0; i < given; ++i) offsets[i] = parts[i].offset;
    parts[0].offset = 0;
    return at_offsets(std::move(offsets), std::move(parts[0]), math);
  }
  std::size_t kept = 0;
  for (std::size_t i = 1; i < given; ++i) {
    if (join(parts[kept], parts[i], math)) continue;
    if (++kept != i) parts[kept] = std::move(parts[i]);
  }
  parts.resize(kept + 1);
  if (math.failed()) return {};
  if (parts.size() == 1) return std::move(parts[0]);
  std::int64_t blocks = 0;
  for (const Form& part : parts) blocks = math.add(blocks, part.blocks());
  if (math.failed()) return {};
  if (blocks > affordable_blocks(parts.size())) return in_parts(std::move(parts), math);
  Blocks list;
  list.reserve(static_cast<std::size_t>(blocks));
  for (const Form& part : parts) append_blocks(part, 0, list, math);
  return from_blocks(std::move(list), math);
}

Form index_list(const Entries& entries, const Form& old, std::int64_t extent, Checked& math) {
  const std::size_t n = entries.displacements.size();
  const Lengths lengths = survey(entries, math);
  if (old.empty() || lengths.some == 0 || math.failed()) return {};
  if (old.one_block() && (lengths.longest == 1 || old.block_bytes == extent))
    return list_of_blocks(entries, lengths, old.offset, old.block_bytes, math);
  const bool same = lengths.shortest == lengths.longest;
  std::vector<std::int64_t> offsets, counts;
  offsets.reserve(lengths.some);
  if (!same) counts.reserve(lengths.some);
  for (std::size_t i = 0; i < n; ++i) {
    if (entries.length_of(i) == 0) continue;
    offsets.push_back(math.multiply(entries.displacements[i], entries.scale));
    if (!same) counts.push_back(entries.length_of(i));
  }
  if (math.failed()) return {};
  if (same) return at_offsets(std::move(offsets), repeat(old, lengths.longest, extent, math), math);
  const std::int64_t blocks = math.multiply(lengths.sum, old.blocks());
  if (math.failed()) return {};
  if (blocks > affordable_blocks(lengths.some))
    return places(std::move(offsets), std::move(counts), old, extent, math);
  Blocks list;
  list.reserve(static_cast<std::size_t>(blocks));
  for (std::size_t i = 0; i < lengths.some; ++i) {
    for (std::int64_t k = 0; k < counts[i]; ++k)
      append_blocks(old, math.add(offsets[i], math.multiply(k, extent)), list, math);
  }
  return from_blocks(std::move(list), math);
}

}  // namespace sluice::datatype
