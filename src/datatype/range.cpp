// A part of the packed bytes: skipped by arithmetic to its first byte, whole steps by movers, cut
// ones byte by byte.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "datatype/form_lists.hpp"
#include "datatype/layout.hpp"

namespace sluice::datatype {

namespace {

/// Fewer bytes are not worth the choice of a kernel.
constexpr std::int64_t kWorthChoosingBytes = 512;

constexpr Dimension kOnce{};

template <bool kPack>
class RangeMover {
 public:
  using User = std::conditional_t<kPack, const std::byte*, std::byte*>;
  using Packed = std::conditional_t<kPack, std::byte*, const std::byte*>;

  explicit RangeMover(Packed packed) : packed_(packed) {}

  /// [first, last) of any number of elements.
  void run(const Run& run, User user, std::int64_t first, std::int64_t last) {
    const MovedShape& shape = run.many();
    steps(shape, 0, user + shape.offset, first, last);
  }

 private:
  void bytes(User at, std::int64_t count) {
    if constexpr (kPack)
      std::memcpy(packed_, at, static_cast<std::size_t>(count));
    else
      std::memcpy(at, packed_, static_cast<std::size_t>(count));
    packed_ += count;
  }

  void whole(const Movers& movers, const Shape& shape, std::int64_t outer_count, User user,
             std::int64_t bytes) {
    if constexpr (kPack)
      movers.pack(shape, outer_count, user, packed_);
    else
      movers.unpack(shape, outer_count, packed_, user);
    packed_ += bytes;
  }

  /// [first, last) of what dimensions[level] leads to; `at` is where its first leaf is.
  void steps(const MovedShape& shape, std::size_t level, User at, std::int64_t first,
             std::int64_t last) {
    if (level == shape.dimensions.size()) return content(shape, at, first, last);
    std::int64_t step_bytes = shape.leaf_bytes;
    for (const Dimension& inner : shape.dimensions.subspan(level + 1)) step_bytes *= inner.count;
    const std::int64_t stride = shape.dimensions[level].stride;
    std::int64_t step = first / step_bytes;
    std::int64_t left = last - first;
    if (const std::int64_t skip = first - step * step_bytes; skip != 0) {
      const std::int64_t head = std::min(step_bytes - skip, left);
      steps(shape, level + 1, at + step * stride, skip, skip + head);
      ++step;
      left -= head;
    }
    if (const std::int64_t full = left / step_bytes; full != 0) {
      whole_steps(shape, level, full, at + step * stride, full * step_bytes);
      step += full;
      left -= full * step_bytes;
    }
    if (left != 0) steps(shape, level + 1, at + step * stride, 0, left);
  }

  void whole_steps(const MovedShape& shape, std::size_t level, std::int64_t count, User at,
                   std::int64_t moved_bytes) {
    MovedShape part = shape;
    part.offset = 0;
    part.dimensions = shape.dimensions.subspan(level);
    if (level > 0 && shape.content < Content::kParts)
      part.movers = moved_bytes < kWorthChoosingBytes ? plain_movers() : choose_movers(part);
    whole(part.movers, part, count, at, moved_bytes);
  }

  /// [first, last) of one content whose origin is at `at`.
  void content(const MovedShape& shape, User at, std::int64_t first, std::int64_t last) {
    switch (shape.content) {
      case Content::kEmpty: break;
      case Content::kBlock: bytes(at + first, last - first); break;
      case Content::kRecord: fields(shape, {0, 0}, at, first, last); break;
      case Content::kRagged: ragged(shape, at, first, last); break;
      case Content::kIndexed: indexed(shape, at, first, last); break;
      case Content::kParts: parts(*shape.store, at, first, last); break;
      case Content::kPlaces: places(*shape.store, at, first, last); break;
    }
  }

  void fields(const MovedShape& shape, Entry entry, User at, std::int64_t first,
              std::int64_t last) {
    for (; entry.start < last; ++entry.index) {
      const Block& field = shape.fields[entry.index];
      const std::int64_t begin = std::max<std::int64_t>(first - entry.start, 0);
      const std::int64_t end = std::min(last - entry.start, field.bytes);
      if (begin < end) bytes(at + field.offset + begin, end - begin);
      entry.start += field.bytes;
    }
  }

  void ragged(const MovedShape& shape, User at, std::int64_t first, std::int64_t last) {
    const auto bytes_of = [&](std::size_t i) { return shape.fields[i].bytes; };
    Entry begin = entry_of(shape.store->starts, first, bytes_of);
    const Entry end = entry_of(shape.store->starts, last - 1, bytes_of);
    if (begin.start < first && begin.index < end.index) {
      const std::int64_t next = begin.start + bytes_of(begin.index);
      fields(shape, begin, at, first, next);
      first = next;
      begin = {begin.index + 1, next};
    }
    if (end.start - first >= kWorthChoosingBytes) {
      MovedShape part = shape;
      part.offset = 0;
      part.dimensions = {&kOnce, 1};
      part.fields = shape.fields.subspan(begin.index, end.index - begin.index);
      part.leaf_bytes = end.start - first;
      whole(choose_movers(part), part, 1, at, part.leaf_bytes);
      first = end.start;
      begin = end;
    }
    fields(shape, begin, at, first, last);
  }

  void indexed(const MovedShape& shape, User at, std::int64_t first, std::int64_t last) {
    const std::int64_t block = shape.block_bytes;
    std::int64_t entry = first / block;
    std::int64_t left = last - first;
    const auto place = [&] { return at + shape.offsets[static_cast<std::size_t>(entry)]; };
    if (const std::int64_t skip = first - entry * block; skip != 0) {
      const std::int64_t head = std::min(block - skip, left);
      bytes(place() + skip, head);
      ++entry;
      left -= head;
    }
    if (const std::int64_t full = left / block; full != 0) {
      MovedShape part = shape;
      part.offset = 0;
      part.dimensions = {&kOnce, 1};
      part.leaf_bytes = full * block;
      part.offsets =
          shape.offsets.subspan(static_cast<std::size_t>(entry), static_cast<std::size_t>(full));
      const bool small = full * block < kWorthChoosingBytes;
      whole(small ? plain_movers() : choose_movers(part), part, 1, at, full * block);
      entry += full;
      left -= full * block;
    }
    if (left != 0) bytes(place(), left);
  }

  void parts(const Store& store, User at, std::int64_t first, std::int64_t last) {
    const auto bytes_of = [&](std::size_t i) { return store.parts[i]->bytes(); };
    Entry entry = entry_of(store.starts, first, bytes_of);
    for (; entry.start < last; ++entry.index) {
      const Run& part = *store.parts[entry.index];
      elements(part, 1, at, first - entry.start, last - entry.start);
      entry.start += part.bytes();
    }
  }

  void places(const Store& store, User at, std::int64_t first, std::int64_t last) {
    const Run& part = *store.parts.front();
    const bool single = store.counts.empty();
    const auto count_of = [&](std::size_t i) { return single ? 1 : store.counts[i]; };
    const auto bytes_of = [&](std::size_t i) { return count_of(i) * part.bytes(); };
    Entry entry;
    if (single) {
      const std::int64_t index = first / part.bytes();
      entry = {static_cast<std::size_t>(index), index * part.bytes()};
    } else {
      entry = entry_of(store.starts, first, bytes_of);
    }
    for (; entry.start < last; ++entry.index) {
      const std::int64_t count = count_of(entry.index);
      elements(part, count, at + store.offsets[entry.index], first - entry.start,
               last - entry.start);
      entry.start += count * part.bytes();
    }
  }

  /// What [first, last) has of `count` elements.
  void elements(const Run& part, std::int64_t count, User at, std::int64_t first,
                std::int64_t last) {
    const std::int64_t all = count * part.bytes();
    first = std::max<std::int64_t>(first, 0);
    last = std::min(last, all);
    if (first > 0 || last < all) return run(part, at, first, last);
    const MovedShape& shape = count == 1 ? part.one() : part.many();
    whole(shape.movers, shape, shape.per_element * count, at, all);
  }

  Packed packed_;
};

}  // namespace

void Layout::pack_range(const void* user, std::int64_t count, std::int64_t first, std::int64_t last,
                        void* packed) const {
  if (first >= last) return;
  if (first == 0 && last == count * size()) return pack(user, count, packed);
  RangeMover<true>(static_cast<std::byte*>(packed))
      .run(run_, static_cast<const std::byte*>(user), first, last);
}

void Layout::unpack_range(const void* packed, std::int64_t count, std::int64_t first,
                          std::int64_t last, void* user) const {
  if (first >= last) return;
  if (first == 0 && last == count * size()) return unpack(packed, count, user);
  RangeMover<false>(static_cast<const std::byte*>(packed))
      .run(run_, static_cast<std::byte*>(user), first, last);
}

}  // namespace sluice::datatype
