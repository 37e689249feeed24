// A layout for others to see: its shapes, and a line of text.
#include <algorithm>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datatype/layout.hpp"

namespace sluice::datatype {

struct Layout::Pieces {
  std::deque<Shape> shapes;  // what is in parts lies elsewhere than its own shape says
  std::vector<Piece> list;
};

namespace {

/// visit(place) for each step of the dimensions, in packed order; false as soon as that says no.
template <class Visit>
bool at_each_step(std::span<const Dimension> dimensions, std::int64_t base, const Visit& visit) {
  if (dimensions.empty()) return visit(base);
  for (std::int64_t i = 0; i < dimensions[0].count; ++i)
    if (!at_each_step(dimensions.subspan(1), base + i * dimensions[0].stride, visit)) return false;
  return true;
}

template <class Leaf>
bool at_each_leaf(const Run& run, std::int64_t base, const Leaf& leaf);

/// Of the parts of a form's content.
template <class Leaf>
bool at_each_leaf_of_parts(const Form& form, std::int64_t base, const Leaf& leaf) {
  const Store& store = *form.store;
  if (form.content == Content::kParts)
    return std::all_of(store.parts.begin(), store.parts.end(),
                       [&](const auto& part) { return at_each_leaf(*part, base, leaf); });
  const Run& part = *store.parts.front();
  for (std::size_t i = 0; i < store.offsets.size(); ++i) {
    const Dimension elements{store.counts.empty() ? 1 : store.counts[i], part.stride()};
    if (!at_each_step({&elements, 1}, base + store.offsets[i],
                      [&](std::int64_t at) { return at_each_leaf(part, at, leaf); }))
      return false;
  }
  return true;
}

/// leaf(run, base) for each run of an element of `run` at `base` that is one shape, in packed
/// order; false as soon as that says no.
template <class Leaf>
bool at_each_leaf(const Run& run, std::int64_t base, const Leaf& leaf) {
  const Form& form = run.form();
  if (form.empty()) return true;
  if (form.content < Content::kParts) return leaf(run, base);
  return at_each_step(form.dimensions.span(), base + form.offset,
                      [&](std::int64_t at) { return at_each_leaf_of_parts(form, at, leaf); });
}

/// Adds a block, to the last one where it touches it; false if they become more than `most`.
bool append(std::vector<Block>& blocks, std::size_t most, std::int64_t offset, std::int64_t bytes) {
  if (bytes == 0) return true;
  if (!blocks.empty() && blocks.back().offset + blocks.back().bytes == offset) {
    blocks.back().bytes += bytes;
    return true;
  }
  if (blocks.size() == most) return false;
  blocks.push_back({offset, bytes});
  return true;
}

/// add(offset, bytes) for each block of a leaf at `base`.
template <class Add>
bool at_each_block(const Form& leaf, std::int64_t base, const Add& add) {
  if (leaf.content == Content::kBlock) return add(base, leaf.block_bytes);
  const Store& store = *leaf.store;
  if (leaf.content == Content::kIndexed)
    return std::all_of(store.offsets.begin(), store.offsets.end(),
                       [&](std::int64_t offset) { return add(base + offset, leaf.block_bytes); });
  return std::all_of(store.fields.begin(), store.fields.end(),
                     [&](const Block& field) { return add(base + field.offset, field.bytes); });
}

/// A line put together of words and numbers.
class Line {
 public:
  Line& operator<<(std::string_view words) {
    text_.append(words);
    return *this;
  }
  Line& operator<<(std::int64_t number) {
    text_.append(std::to_string(number));
    return *this;
  }
  /// A few of a list's entries.
  template <class Print>
  void some(std::size_t n, const Print& print) {
    constexpr std::size_t kShown = 6;
    *this << "{";
    for (std::size_t i = 0; i < n && i < kShown; ++i) {
      if (i > 0) *this << ", ";
      print(i);
    }
    if (n > kShown) *this << ", ... " << static_cast<std::int64_t>(n) << " in all";
    *this << "}";
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

void describe_form(Line& line, const Form& form) {
  if (form.empty()) {
    line << "empty";
    return;
  }
  for (const Dimension& dimension : form.dimensions.span())
    line << dimension.count << " x " << dimension.stride << ": ";
  const Store* store = form.store.get();
  const auto field = [&](std::size_t i) {
    line << store->fields[i].offset << "+" << store->fields[i].bytes;
  };
  const auto place = [&](std::size_t i) {
    line << store->offsets[i];
    if (!store->counts.empty()) line << "*" << store->counts[i];
  };
  const auto part = [&](std::size_t i) { describe_form(line, store->parts[i]->form()); };
  switch (form.content) {
    case Content::kEmpty: break;
    case Content::kBlock: line << "block " << form.block_bytes; break;
    case Content::kRecord:
      line << "record ";
      line.some(store->fields.size(), field);
      break;
    case Content::kRagged:
      line << "ragged ";
      line.some(store->fields.size(), field);
      break;
    case Content::kIndexed:
      line << "block " << form.block_bytes << " at ";
      line.some(store->offsets.size(), place);
      break;
    case Content::kParts: line.some(store->parts.size(), part); break;
    case Content::kPlaces:
      line << "(";
      part(0);
      line << ") at ";
      line.some(store->offsets.size(), place);
      break;
  }
  line << " @ " << form.offset;
}

}  // namespace

Layout::~Layout() { delete pieces_.load(); }

std::span<const Layout::Piece> Layout::pieces() const {
  const Pieces* pieces = pieces_.load(std::memory_order_acquire);
  if (pieces == nullptr) {
    auto made = std::make_unique<Pieces>();
    const bool few = at_each_leaf(run_, 0, [&](const Run& leaf, std::int64_t base) {
      if (made->list.size() == kMaxPieces) return false;
      made->shapes.push_back(leaf.one());
      made->shapes.back().offset += base;
      made->list.push_back({&made->shapes.back(), leaf.one().per_element});
      return true;
    });
    if (!few) made->list.clear();
    if (pieces_.compare_exchange_strong(pieces, made.get(), std::memory_order_acq_rel))
      pieces = made.release();
  }
  return pieces->list;
}

Layout::Piece Layout::many() const {
  if (run_.form().empty() || run_.form().content >= Content::kParts) return {nullptr, 0};
  return {&run_.many(), run_.many().per_element};
}

std::vector<Block> Layout::list_blocks(std::size_t most) const {
  std::vector<Block> blocks;
  const auto add = [&](std::int64_t offset, std::int64_t bytes) {
    return append(blocks, most, offset, bytes);
  };
  const bool few = at_each_leaf(run_, 0, [&](const Run& leaf, std::int64_t base) {
    const Form& form = leaf.form();
    return at_each_step(form.dimensions.span(), base + form.offset,
                        [&](std::int64_t at) { return at_each_block(form, at, add); });
  });
  if (!few) blocks.clear();
  return blocks;
}

std::string Layout::describe() const {
  Line line;
  describe_form(line, form());
  if (lower_bound() != 0 || extent() != size()) {
    line << ", extent " << extent();
    if (lower_bound() != 0) line << " from " << lower_bound();
  }
  return line.take();
}

}  // namespace sluice::datatype
