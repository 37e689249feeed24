// From one layout's places to another's.
#include <algorithm>
#include <array>
#include <cstring>

#include "datatype/layout.hpp"

namespace sluice::datatype {

namespace {

/// The blocks of many elements, row by row: `count` blocks of `bytes`, `stride` apart. A list's
/// blocks are rows of one. What of the first block has gone already is cut off; `rest` of its bytes
/// are left.
template <class Bytes>
class Rows {
 public:
  Rows(const MovedShape& shape, std::int64_t elements, Bytes* user)
      : shape_(shape), outer_count_(shape.per_element * elements), user_(user), at_(shape.offset) {
    const bool list = shape.leaf != Leaf::kBlock;
    entries_ = shape.leaf == Leaf::kIndexed ? shape.offsets.size() : shape.fields.size();
    around_ = shape.dimensions.size() - (list ? 0 : 1);
    for (std::size_t i = 0; i < around_; ++i) steps_.push_back(0);
    load();
  }

  Bytes* at() const { return user_ + row_at_; }
  std::int64_t count() const { return count_; }
  std::int64_t bytes() const { return bytes_; }
  std::int64_t rest() const { return rest_; }
  std::int64_t stride() const { return stride_; }
  bool whole() const { return rest_ == bytes_; }

  /// Whole blocks; the first one must be whole.
  void skip_blocks(std::int64_t blocks) {
    row_at_ += blocks * stride_;
    count_ -= blocks;
    if (count_ == 0) next();
  }
  /// At most rest().
  void skip_bytes(std::int64_t bytes) {
    row_at_ += bytes;
    rest_ -= bytes;
    if (rest_ != 0) return;
    row_at_ -= bytes_;
    rest_ = bytes_;
    skip_blocks(1);
  }

 private:
  std::int64_t count_of(std::size_t level) const {
    return level == 0 ? outer_count_ : shape_.dimensions[level].count;
  }

  void load() {
    if (shape_.leaf == Leaf::kBlock) {
      row_at_ = at_;
      bytes_ = shape_.block_bytes;
      count_ = count_of(around_);
      stride_ = shape_.dimensions[around_].stride;
    } else if (shape_.leaf == Leaf::kIndexed) {
      row_at_ = at_ + shape_.offsets[entry_];
      bytes_ = shape_.block_bytes;
      count_ = 1;
    } else {
      row_at_ = at_ + shape_.fields[entry_].offset;
      bytes_ = shape_.fields[entry_].bytes;
      count_ = 1;
    }
    rest_ = bytes_;
  }

  void next() {
    if (shape_.leaf != Leaf::kBlock && ++entry_ < entries_) return load();
    entry_ = 0;
    for (std::size_t level = around_; level-- > 0;) {
      const std::int64_t stride = shape_.dimensions[level].stride;
      if (++steps_[level] < count_of(level)) {
        at_ += stride;
        return load();
      }
      at_ -= (steps_[level] - 1) * stride;
      steps_[level] = 0;
    }
  }  // behind the last one nobody looks

  const MovedShape& shape_;
  std::int64_t outer_count_;
  Bytes* user_;
  std::int64_t at_;          // the leaf or the row
  std::size_t around_ = 0;   // dimensions around a row
  std::size_t entries_ = 0;  // of a list
  std::size_t entry_ = 0;
  ShortVector<std::int64_t, 6> steps_;
  std::int64_t row_at_ = 0;
  std::int64_t bytes_ = 0;
  std::int64_t rest_ = 0;
  std::int64_t count_ = 0;
  std::int64_t stride_ = 0;
};

template <std::size_t kBytes>
void copy_fixed(const std::byte* from, std::int64_t from_stride, std::byte* to,
                std::int64_t to_stride, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i)
    std::memcpy(to + i * to_stride, from + i * from_stride, kBytes);
}

void copy_blocks(const std::byte* from, std::int64_t from_stride, std::byte* to,
                 std::int64_t to_stride, std::int64_t bytes, std::int64_t count) {
  switch (bytes) {
    case 1: return copy_fixed<1>(from, from_stride, to, to_stride, count);
    case 2: return copy_fixed<2>(from, from_stride, to, to_stride, count);
    case 4: return copy_fixed<4>(from, from_stride, to, to_stride, count);
    case 8: return copy_fixed<8>(from, from_stride, to, to_stride, count);
    case 16: return copy_fixed<16>(from, from_stride, to, to_stride, count);
    case 32: return copy_fixed<32>(from, from_stride, to, to_stride, count);
    default:
      for (std::int64_t i = 0; i < count; ++i)
        std::memcpy(to + i * to_stride, from + i * from_stride, static_cast<std::size_t>(bytes));
  }
}

/// The first `left` bytes, block by block.
void copy_rows(Rows<const std::byte> from, Rows<std::byte> to, std::int64_t left) {
  while (left > 0) {
    const std::int64_t bytes = std::min(from.bytes(), to.bytes());
    std::int64_t count = 0;
    if (from.whole() && to.whole() && from.bytes() == to.bytes()) {
      count = std::min({from.count(), to.count(), left / bytes});
      copy_blocks(from.at(), from.stride(), to.at(), to.stride(), bytes, count);
      if (count > 0) {
        from.skip_blocks(count);
        to.skip_blocks(count);
      }
    } else if (to.whole() && to.bytes() == bytes && from.rest() >= bytes) {
      count = std::min({from.rest() / bytes, to.count(), left / bytes});
      copy_blocks(from.at(), bytes, to.at(), to.stride(), bytes, count);
      if (count > 0) {
        from.skip_bytes(count * bytes);
        to.skip_blocks(count);
      }
    } else if (from.whole() && from.bytes() == bytes && to.rest() >= bytes) {
      count = std::min({from.count(), to.rest() / bytes, left / bytes});
      copy_blocks(from.at(), from.stride(), to.at(), bytes, bytes, count);
      if (count > 0) {
        from.skip_blocks(count);
        to.skip_bytes(count * bytes);
      }
    }
    left -= count * bytes;
    if (count > 0) continue;
    const std::int64_t part = std::min({from.rest(), to.rest(), left});
    std::memcpy(to.at(), from.at(), static_cast<std::size_t>(part));
    from.skip_bytes(part);
    to.skip_bytes(part);
    left -= part;
  }
}

/// Through a buffer that stays in the cache, with the movers of both sides.
void copy_staged(const Layout& from_layout, std::int64_t from_count, const void* from,
                 const Layout& to_layout, std::int64_t to_count, void* to, std::int64_t bytes) {
  constexpr std::int64_t kStageBytes = 16384;
  alignas(64) std::array<std::byte, kStageBytes> stage;
  // Whole elements of the side whose elements are larger, where they fit: the other side's cuts are
  // cheap.
  const std::int64_t element = std::max(from_layout.size(), to_layout.size());
  const std::int64_t step = element <= kStageBytes ? kStageBytes / element * element : kStageBytes;
  for (std::int64_t first = 0; first < bytes; first += step) {
    const std::int64_t last = std::min(first + step, bytes);
    from_layout.pack_range(from, from_count, first, last, stage.data());
    to_layout.unpack_range(stage.data(), to_count, first, last, to);
  }
}

bool one_block(const Layout& layout, std::int64_t count) {
  return layout.contiguous() || (count == 1 && layout.blocks() == 1);
}

/// Blocks so large that a copy each is the best there is.
constexpr std::int64_t kLargeBlockBytes = 128;
/// Of blocks of one size at strides on both sides, smaller ones go faster through the cache with
/// vectors.
constexpr std::int64_t kLeastRowBlockBytes = 8;

bool by_rows(const Layout& from, const Layout& to) {
  if (from.form().content >= Content::kParts || to.form().content >= Content::kParts) return false;
  if (from.size() / from.blocks() >= kLargeBlockBytes &&
      to.size() / to.blocks() >= kLargeBlockBytes)
    return true;
  return from.form().content == Content::kBlock && to.form().content == Content::kBlock &&
         from.largest_block() == to.largest_block() && from.largest_block() >= kLeastRowBlockBytes;
}

}  // namespace

std::int64_t copy(const Layout& from_layout, std::int64_t from_count, const void* from,
                  const Layout& to_layout, std::int64_t to_count, void* to) {
  if (from_count <= 0 || to_count <= 0) return 0;
  const std::int64_t bytes = std::min(from_layout.size() * from_count, to_layout.size() * to_count);
  if (bytes == 0) return 0;
  const auto* source = static_cast<const std::byte*>(from);
  auto* target = static_cast<std::byte*>(to);
  if (one_block(from_layout, from_count)) {
    to_layout.unpack_range(source + from_layout.true_lower_bound(), to_count, 0, bytes, to);
  } else if (one_block(to_layout, to_count)) {
    from_layout.pack_range(from, from_count, 0, bytes, target + to_layout.true_lower_bound());
  } else if (by_rows(from_layout, to_layout)) {
    const MovedShape& from_shape =
        from_count == 1 ? from_layout.run().one() : from_layout.run().many();
    const MovedShape& to_shape = to_count == 1 ? to_layout.run().one() : to_layout.run().many();
    copy_rows(Rows<const std::byte>(from_shape, from_count, source),
              Rows<std::byte>(to_shape, to_count, target), bytes);
  } else {
    copy_staged(from_layout, from_count, from, to_layout, to_count, to, bytes);
  }
  return bytes;
}

}  // namespace sluice::datatype
