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

/// The shapes of one element of `run` at `base`, behind those that are there; false if they become
/// too many.
class Flattening {
 public:
  explicit Flattening(std::deque<Shape>& shapes, std::vector<Layout::Piece>& list)
      : shapes_(shapes), list_(list) {}

  bool add(const Run& run, std::int64_t base) {
    const MovedShape& one = run.one();
    if (run.form().empty()) return true;
    if (run.form().content >= Content::kParts)
      return add_steps(*one.store, run.form().content, one.dimensions, base + one.offset);
    if (list_.size() == Layout::kMaxPieces) return false;
    shapes_.push_back(one);
    shapes_.back().offset += base;
    list_.push_back({&shapes_.back(), one.per_element});
    return true;
  }

 private:
  bool add_steps(const Store& store, Content content, std::span<const Dimension> dimensions,
                 std::int64_t base) {
    if (dimensions.empty()) return add_parts(store, content, base);
    for (std::int64_t i = 0; i < dimensions[0].count; ++i)
      if (!add_steps(store, content, dimensions.subspan(1), base + i * dimensions[0].stride))
        return false;
    return true;
  }

  bool add_parts(const Store& store, Content content, std::int64_t base) {
    if (content == Content::kParts) {
      for (const auto& part : store.parts)
        if (!add(*part, base)) return false;
      return true;
    }
    const Run& part = *store.parts.front();
    for (std::size_t i = 0; i < store.offsets.size(); ++i) {
      const std::int64_t count = store.counts.empty() ? 1 : store.counts[i];
      for (std::int64_t k = 0; k < count; ++k)
        if (!add(part, base + store.offsets[i] + k * part.stride())) return false;
    }
    return true;
  }

  std::deque<Shape>& shapes_;
  std::vector<Layout::Piece>& list_;
};

/// The blocks of one element of `run` at `base`, behind those that are there; false if they become
/// more than `most`.
class BlockList {
 public:
  BlockList(std::vector<Block>& blocks, std::size_t most) : blocks_(blocks), most_(most) {}

  bool add(const Run& run, std::int64_t base) {
    const Form& form = run.form();
    if (form.empty()) return true;
    return add_steps(form, form.dimensions.span(), base + form.offset);
  }

 private:
  bool add_steps(const Form& form, std::span<const Dimension> dimensions, std::int64_t base) {
    if (dimensions.empty()) return add_content(form, base);
    for (std::int64_t i = 0; i < dimensions[0].count; ++i)
      if (!add_steps(form, dimensions.subspan(1), base + i * dimensions[0].stride)) return false;
    return true;
  }

  bool add_content(const Form& form, std::int64_t base) {
    const Store* const store = form.store.get();
    switch (form.content) {
      case Content::kEmpty: return true;
      case Content::kBlock: return add_block(base, form.block_bytes);
      case Content::kRecord:
      case Content::kRagged:
        return std::all_of(store->fields.begin(), store->fields.end(), [&](const Block& field) {
          return add_block(base + field.offset, field.bytes);
        });
      case Content::kIndexed:
        return std::all_of(store->offsets.begin(), store->offsets.end(), [&](std::int64_t offset) {
          return add_block(base + offset, form.block_bytes);
        });
      case Content::kParts:
        return std::all_of(store->parts.begin(), store->parts.end(),
                           [&](const auto& part) { return add(*part, base); });
      case Content::kPlaces: return add_places(*store, base);
    }
    return false;
  }

  bool add_places(const Store& store, std::int64_t base) {
    const Run& part = *store.parts.front();
    for (std::size_t i = 0; i < store.offsets.size(); ++i) {
      const std::int64_t count = store.counts.empty() ? 1 : store.counts[i];
      for (std::int64_t k = 0; k < count; ++k)
        if (!add(part, base + store.offsets[i] + k * part.stride())) return false;
    }
    return true;
  }

  bool add_block(std::int64_t offset, std::int64_t bytes) {
    if (bytes == 0) return true;
    if (!blocks_.empty() && blocks_.back().offset + blocks_.back().bytes == offset) {
      blocks_.back().bytes += bytes;
      return true;
    }
    if (blocks_.size() == most_) return false;
    blocks_.push_back({offset, bytes});
    return true;
  }

  std::vector<Block>& blocks_;
  std::size_t most_;
};

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
    if (!Flattening(made->shapes, made->list).add(run_, 0)) made->list.clear();
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
  if (!BlockList(blocks, most).add(run_, 0)) blocks.clear();
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
