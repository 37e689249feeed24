// The canonical form of a datatype: what makers compute with and layouts keep. Private to
// src/datatype; docs/datatypes.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "datatype/shape.hpp"

namespace sluice::datatype {

/// 64-bit arithmetic that remembers whether something did not fit. What it returns after that means
/// nothing.
class Checked {
 public:
  std::int64_t add(std::int64_t a, std::int64_t b) {
    std::int64_t sum;
    failed_ |= __builtin_add_overflow(a, b, &sum);
    return sum;
  }
  std::int64_t subtract(std::int64_t a, std::int64_t b) {
    std::int64_t difference;
    failed_ |= __builtin_sub_overflow(a, b, &difference);
    return difference;
  }
  std::int64_t multiply(std::int64_t a, std::int64_t b) {
    std::int64_t product;
    failed_ |= __builtin_mul_overflow(a, b, &product);
    return product;
  }
  void fail() { failed_ = true; }
  bool failed() const { return failed_; }

 private:
  bool failed_ = false;
};

/// A vector whose first kInline elements cost no allocation.
template <class T, std::size_t kInline>
class ShortVector {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return heap_.empty() ? inline_.data() : heap_.data(); }
  const T* data() const { return heap_.empty() ? inline_.data() : heap_.data(); }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  T& back() { return data()[size_ - 1]; }
  std::span<const T> span() const { return {data(), size_}; }

  void reserve(std::size_t size) {
    if (size > kInline) heap_.reserve(size);
  }
  void push_back(const T& value) {
    if (size_ < kInline) {
      inline_[size_] = value;
    } else {
      if (heap_.empty()) heap_.assign(inline_.begin(), inline_.end());
      heap_.push_back(value);
    }
    ++size_;
  }
  void push_front(const T& value) {
    push_back(value);
    for (std::size_t i = size_ - 1; i > 0; --i) data()[i] = data()[i - 1];
    data()[0] = value;
  }
  void clear() {
    heap_.clear();
    size_ = 0;
  }
  std::vector<T> take() {
    if (!heap_.empty()) return std::move(heap_);
    return {inline_.begin(), inline_.begin() + static_cast<std::ptrdiff_t>(size_)};
  }

 private:
  std::size_t size_ = 0;
  std::array<T, kInline> inline_{};
  std::vector<T> heap_;
};

using Dimensions = ShortVector<Dimension, 5>;
using Blocks = ShortVector<Block, kMaxFields>;

/// What the dimensions of a form repeat: a leaf, or, where no leaf can say it, several forms.
enum class Content : std::uint8_t {
  kEmpty,
  kBlock,
  kRecord,
  kIndexed,
  kRagged,
  kParts,   ///< one form behind the other
  kPlaces,  ///< one form at many places
};

class Run;

/// How many entries of a list there are to one of `starts`.
inline constexpr std::size_t kEntriesPerStart = 16;

/// The lists that a form refers to. Never changed, shared by all forms that contain this one.
struct Store {
  Store();
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  std::vector<Block> fields;          ///< kRecord, kRagged
  std::vector<std::int64_t> offsets;  ///< kIndexed, kPlaces
  std::vector<std::int64_t> counts;   ///< kPlaces: elements of the part at each place; empty: one
  std::vector<std::unique_ptr<const Run>> parts;  ///< kParts; kPlaces: the one
  /// The packed offset of every kEntriesPerStart-th entry, for lists whose entries differ in bytes.
  std::vector<std::int64_t> starts;
};

/// Dimensions around a content. A value: makers copy the old one's and change it.
struct Form {
  Content content = Content::kEmpty;
  int depth = 0;                 ///< of parts in parts
  std::int64_t offset = 0;       ///< of the first leaf's origin
  std::int64_t block_bytes = 0;  ///< kBlock, kIndexed
  std::int64_t leaf_bytes = 0;
  std::int64_t leaf_blocks = 0;
  std::int64_t smallest = 0;  ///< block
  std::int64_t largest = 0;
  std::int64_t low = 0;  ///< the bytes of a leaf are in [low, high) from its origin
  std::int64_t high = 0;
  std::int64_t leaves = 0;  ///< the product of the dimensions' counts
  Dimensions dimensions;
  std::shared_ptr<const Store> store;

  bool empty() const { return content == Content::kEmpty; }
  bool one_block() const { return content == Content::kBlock && dimensions.empty(); }
  std::int64_t bytes() const { return leaf_bytes * leaves; }
  std::int64_t blocks() const { return leaf_blocks * leaves; }
};

/// Parts in parts in parts: deeper than this is refused, because moving recurs.
inline constexpr int kMaxDepth = 64;

/// A dimension with this stride around `inner` goes on where `inner` ends: together they are one
/// dimension, longer.
inline bool leads_on(const Dimension& inner, std::int64_t stride) {
  std::int64_t way;
  return !__builtin_mul_overflow(inner.count, inner.stride, &way) && way == stride;
}

struct Range {
  std::int64_t low = 0;
  std::int64_t high = 0;
};
/// The first byte of a form and the one behind its last; {0, 0} of nothing.
Range true_range(const Form& form, Checked& math);

Form block_form(std::int64_t offset, std::int64_t bytes);
/// `count` times the form, each `stride` behind the one before.
Form repeat(Form form, std::int64_t count, std::int64_t stride, Checked& math);
/// Forms one behind the other, each at its own offset.
Form sequence(std::vector<Form> parts, Checked& math);

/// Entries of an index list: lengths in elements, where each is; lengths.empty(): all `length`.
struct Entries {
  std::span<const std::int64_t> lengths;
  std::int64_t length = 0;
  std::span<const std::int64_t> displacements;
  std::int64_t scale = 1;  ///< bytes per unit of displacement

  std::int64_t length_of(std::size_t i) const { return lengths.empty() ? length : lengths[i]; }
};
/// At each entry `length` elements of `old`, `extent` apart.
Form index_list(const Entries& entries, const Form& old, std::int64_t extent, Checked& math);

/// Adds a block, to the last one where it touches it.
void add_block(Blocks& blocks, std::int64_t offset, std::int64_t bytes, Checked& math);
Form from_blocks(Blocks blocks, Checked& math);
/// More than kMaxFields blocks of one size that do not touch.
Form from_offsets(std::vector<std::int64_t> offsets, std::int64_t block_bytes, Checked& math);

}  // namespace sluice::datatype
