// Arrays of records: a few fields each, as C structs have.
//
// Fields are cut into pieces of 1, 2, 4, 8, 16 or 32 bytes, and each piece is moved for a tile of
// records before the next one is: loops without a branch, whatever the fields are. Packing goes by
// whole records where they are short: vectors that cover the record, shuffled.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "datatype/records.cpp"
#include "datatype/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include <algorithm>
#include <array>
#include <limits>

#include "datatype/families.hpp"
#include "datatype/moves-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::datatype {
namespace HWY_NAMESPACE {

inline constexpr Bytes kMaxGapStride = 4096;
/// Fewer records than this are moved field by field: a plan costs more than it saves.
inline constexpr std::int64_t kMinPlanned = 8;
/// Tiles stay in the first-level cache, both sides of them.
inline constexpr Bytes kTileBytes = 8192;
inline constexpr std::size_t kMaxPieces = 40;

struct Piece {
  Bytes user;
  Bytes packed;
  Bytes width;
};

struct Pieces {
  std::array<Piece, kMaxPieces> list;
  std::size_t count = 0;
  bool fits = true;

  void add(Bytes user, Bytes packed, Bytes width) {
    if (count == kMaxPieces) {
      fits = false;
      return;
    }
    list[count++] = {user, packed, width};
  }

  /// The last piece ends where the field does; it may overlap the one before it.
  void add_field(Bytes user, Bytes packed, Bytes bytes) {
    if (bytes == 0) return;
    Bytes width = 32;
    while (width > bytes) width /= 2;
    Bytes at = 0;
    for (; at + width <= bytes && fits; at += width) add(user + at, packed + at, width);
    if (at < bytes) add_rest(user, packed, bytes, bytes - at, width);
  }

 private:
  void add_rest(Bytes user, Bytes packed, Bytes bytes, Bytes rest, Bytes width) {
    while (width / 2 >= rest) width /= 2;
    add(user + bytes - width, packed + bytes - width, width);
  }
};

template <bool kPack, std::size_t W>
HWY_INLINE void move_column(std::byte* user, Bytes user_stride, std::byte* packed,
                            Bytes packed_stride, std::int64_t count) {
  std::int64_t i = 0;
  for (; i + 4 <= count; i += 4, user += 4 * user_stride, packed += 4 * packed_stride) {
    move_fixed<kPack, W>(user, packed);
    move_fixed<kPack, W>(user + user_stride, packed + packed_stride);
    move_fixed<kPack, W>(user + 2 * user_stride, packed + 2 * packed_stride);
    move_fixed<kPack, W>(user + 3 * user_stride, packed + 3 * packed_stride);
  }
  for (; i < count; ++i, user += user_stride, packed += packed_stride)
    move_fixed<kPack, W>(user, packed);
}

template <bool kPack>
HWY_INLINE void move_column_of(const Piece& piece, std::byte* user, Bytes user_stride,
                               std::byte* packed, Bytes packed_stride, std::int64_t count) {
  user += piece.user;
  packed += piece.packed;
  switch (piece.width) {
    case 1: return move_column<kPack, 1>(user, user_stride, packed, packed_stride, count);
    case 2: return move_column<kPack, 2>(user, user_stride, packed, packed_stride, count);
    case 4: return move_column<kPack, 4>(user, user_stride, packed, packed_stride, count);
    case 8: return move_column<kPack, 8>(user, user_stride, packed, packed_stride, count);
    case 16: return move_column<kPack, 16>(user, user_stride, packed, packed_stride, count);
    default: return move_column<kPack, 32>(user, user_stride, packed, packed_stride, count);
  }
}

/// Which bytes of which vector of the record make a vector of the packed form. 0x80: none.
struct Shuffle {
  alignas(16) std::uint8_t from_first[16];
  alignas(16) std::uint8_t from_last[16];
};

/// Records of at most 32 bytes, packed at most 32: one or two vectors in, one or two out.
struct ShufflePlan {
  bool usable = false;
  Bytes begin = 0;  ///< of the first byte of a record, from its place
  Bytes span = 0;
  Shuffle out[2];

  explicit ShufflePlan(const Shape& shape) {
    if (shape.leaf_bytes > 32) return;
    begin = std::numeric_limits<Bytes>::max();
    Bytes end = std::numeric_limits<Bytes>::min();
    for (const Block& field : shape.fields) {
      if (field.bytes == 0) continue;  // may lie anywhere
      begin = std::min(begin, field.offset);
      end = std::max(end, field.offset + field.bytes);
    }
    span = end - begin;
    if (span > 32 || (span <= 16 && shape.leaf_bytes > 16)) return;
    usable = true;
    std::memset(out, 0x80, sizeof(out));
    Bytes at = 0;
    for (const Block& field : shape.fields)
      for (Bytes b = 0; b < field.bytes; ++b) place(at++, field.offset - begin + b);
  }

  void place(Bytes to, Bytes from) {
    Shuffle& shuffle = out[to / 16];
    if (from < 16) {
      shuffle.from_first[to % 16] = static_cast<std::uint8_t>(from);
    } else {
      shuffle.from_last[to % 16] = static_cast<std::uint8_t>(from - (span - 16));
    }
  }
};

/// kTwoIn: the record spans more than 16 bytes, its last 16 are a second vector. kTwoOut: it packs
/// to more than 16. Vectors that are read or written past a record end before the last of the
/// records that the caller kept back.
template <bool kTwoIn, bool kTwoOut, class D>
HWY_INLINE void shuffle_records(D d, const ShufflePlan& plan, const std::byte* user, Bytes stride,
                                std::byte* packed, Bytes packed_stride, std::int64_t count) {
  const auto first_to_low = hn::Load(d, plan.out[0].from_first);
  const auto last_to_low = hn::Load(d, plan.out[0].from_last);
  const auto first_to_high = hn::Load(d, plan.out[1].from_first);
  const auto last_to_high = hn::Load(d, plan.out[1].from_last);
  const Bytes last = plan.span - 16;
  for (std::int64_t i = 0; i < count; ++i, user += stride, packed += packed_stride) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(user);
    auto* to = reinterpret_cast<std::uint8_t*>(packed);
    const auto in_first = hn::LoadU(d, from);
    auto low = hn::TableLookupBytesOr0(in_first, first_to_low);
    if constexpr (kTwoIn) {
      const auto in_last = hn::LoadU(d, from + last);
      low = hn::Or(low, hn::TableLookupBytesOr0(in_last, last_to_low));
      if constexpr (kTwoOut) {
        const auto high = hn::Or(hn::TableLookupBytesOr0(in_first, first_to_high),
                                 hn::TableLookupBytesOr0(in_last, last_to_high));
        hn::StoreU(low, d, to);
        hn::StoreU(high, d, to + 16);
        continue;
      }
    }
    hn::StoreU(low, d, to);
  }
}

/// As many of the records as whole vectors may be used for. Returns how many.
template <class D>
std::int64_t pack_by_shuffles(D d, const Shape& shape, const std::byte* user, std::int64_t count,
                              Bytes stride, std::byte* packed) {
  const ShufflePlan plan(shape);
  const Bytes bytes = shape.leaf_bytes;
  if (!plan.usable || stride < plan.span || stride > kMaxGapStride) return 0;
  const std::int64_t kept_back = 1 + 31 / static_cast<std::int32_t>(std::min(plan.span, bytes));
  const std::int64_t shuffled = count - kept_back;
  if (shuffled <= 0) return 0;
  user += plan.begin;
  if (plan.span <= 16) {
    shuffle_records<false, false>(d, plan, user, stride, packed, bytes, shuffled);
  } else if (bytes <= 16) {
    shuffle_records<true, false>(d, plan, user, stride, packed, bytes, shuffled);
  } else {
    shuffle_records<true, true>(d, plan, user, stride, packed, bytes, shuffled);
  }
  return shuffled;
}

/// Records without a plan.
template <bool kPack>
std::byte* move_fields(const Shape& shape, std::byte* user, std::int64_t count, Bytes stride,
                       std::byte* packed) {
  for (std::int64_t i = 0; i < count; ++i, user += stride) {
    for (const Block& field : shape.fields) {
      move_any<kPack>(user + field.offset, packed, field.bytes);
      packed += field.bytes;
    }
  }
  return packed;
}

class Records {
 public:
  Records(const Shape& shape, std::int64_t /*outer_count*/, const std::byte* /*packed*/)
      : shape_(shape) {}

  template <bool kPack>
  HWY_INLINE std::byte* move(std::byte* user, std::int64_t count, Bytes stride,
                             std::byte* packed) const {
    if (count >= kMinPlanned) {
      const std::int64_t done = planned<kPack>(user, count, stride, packed);
      user += done * stride;
      packed += done * shape_.leaf_bytes;
      count -= done;
    }
    return move_fields<kPack>(shape_, user, count, stride, packed);
  }

 private:
  template <bool kPack>
  HWY_NOINLINE std::int64_t planned(std::byte* user, std::int64_t count, Bytes stride,
                                    std::byte* packed) const {
    if constexpr (kPack && kVectors && port::kReadsBetweenBlocks) {
      const std::int64_t shuffled =
          pack_by_shuffles(hn::CappedTag<std::uint8_t, 16>(), shape_, user, count, stride, packed);
      if (shuffled != 0) return shuffled;
    }
    Pieces pieces;
    Bytes at = 0;
    for (const Block& field : shape_.fields) {
      pieces.add_field(field.offset, at, field.bytes);
      at += field.bytes;
    }
    if (!pieces.fits) return 0;
    const std::int64_t tile = std::max<std::int64_t>(4, kTileBytes / shape_.leaf_bytes);
    for (std::int64_t i = 0; i < count; i += tile) {
      const std::int64_t records = std::min(tile, count - i);
      for (std::size_t p = 0; p < pieces.count; ++p)
        move_column_of<kPack>(pieces.list[p], user + i * stride, stride,
                              packed + i * shape_.leaf_bytes, shape_.leaf_bytes, records);
    }
    return count;
  }

  const Shape& shape_;
};

Movers select_records(const Shape& /*shape*/) { return movers_of<Records>("record"); }

}  // namespace HWY_NAMESPACE
}  // namespace sluice::datatype
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::datatype {

HWY_EXPORT(select_records);

Movers record_movers(const Shape& shape) { return HWY_DYNAMIC_DISPATCH(select_records)(shape); }

}  // namespace sluice::datatype
#endif
