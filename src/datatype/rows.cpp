// Blocks of one length at constant strides: rows, and gathers of single elements.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "datatype/rows.cpp"
#include "datatype/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include "datatype/families.hpp"
#include "datatype/moves-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::datatype {
namespace HWY_NAMESPACE {

/// Gaps of less than a page lie on pages of the blocks beside them.
inline constexpr Bytes kMaxReadStride = 4096;

template <class Mover>
struct IsPair : std::false_type {};
template <std::size_t W>
struct IsPair<Pair<W>> : std::bool_constant<(W < 32)> {};

/// What a lane of a vector holds.
template <class Mover>
struct IsElement : std::false_type {};
template <std::size_t W>
struct IsElement<Exact<W>> : std::bool_constant<(W <= 8)> {};

#if SLUICE_DATATYPE_VECTOR_TARGET

/// Every other element of `from`, as long as something of value lies behind what is read. Returns
/// how many of them.
template <std::size_t W>
HWY_INLINE std::int64_t pack_even(const std::byte* HWY_RESTRICT from, std::int64_t count,
                                  std::byte* HWY_RESTRICT to) {
  using T = Lane<W>;
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  const auto* source = reinterpret_cast<const T*>(from);
  auto* target = reinterpret_cast<T*>(to);
  std::int64_t i = 0;
  for (; i + 2 * kLanes < count; i += 2 * kLanes) {
    const auto a = hn::LoadU(d, source + 2 * i);
    const auto b = hn::LoadU(d, source + 2 * i + kLanes);
    const auto e = hn::LoadU(d, source + 2 * i + 2 * kLanes);
    const auto f = hn::LoadU(d, source + 2 * i + 3 * kLanes);
    hn::StoreU(hn::ConcatEven(d, b, a), d, target + i);
    hn::StoreU(hn::ConcatEven(d, f, e), d, target + i + kLanes);
  }
  for (; i + kLanes < count; i += kLanes) {
    const auto a = hn::LoadU(d, source + 2 * i);
    const auto b = hn::LoadU(d, source + 2 * i + kLanes);
    hn::StoreU(hn::ConcatEven(d, b, a), d, target + i);
  }
  return i;
}

#if HWY_TARGET <= HWY_AVX3

/// Half a vector of elements from `from`, each followed by one without meaning.
template <class D>
HWY_INLINE hn::Vec<D> spread(D d, const hn::TFromD<D>* from) {
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    const auto both = hn::IndicesFromVec(d, hn::ShiftRight<1>(hn::Iota(d, 0)));
    return hn::TableLookupLanes(hn::ZeroExtendVector(d, hn::LoadU(hn::Half<D>(), from)), both);
  } else {
    const hn::RepartitionToWide<D> wide;
    return hn::BitCast(
        d, hn::PromoteTo(wide, hn::LoadU(hn::Rebind<hn::TFromD<D>, decltype(wide)>(), from)));
  }
}

#endif

/// Every other element of `to`, by vectors whose other elements are not written. Where storing so
/// is one instruction. Returns how many.
template <std::size_t W>
HWY_INLINE std::int64_t unpack_even(const std::byte* HWY_RESTRICT from, std::int64_t count,
                                    std::byte* HWY_RESTRICT to) {
  std::int64_t i = 0;
#if HWY_TARGET <= HWY_AVX3
  using T = Lane<W>;
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kHalf = hn::MaxLanes(hn::ScalableTag<T>()) / 2;
  const auto even = hn::Eq(hn::And(hn::Iota(d, 0), hn::Set(d, 1)), hn::Zero(d));
  const auto* source = reinterpret_cast<const T*>(from);
  auto* target = reinterpret_cast<T*>(to);
  for (; i + kHalf < count; i += kHalf)
    hn::BlendedStore(spread(d, source + i), even, d, target + 2 * i);
#endif
  return i;
}

#else

template <std::size_t W>
std::int64_t unpack_even(const std::byte* /*from*/, std::int64_t /*count*/, std::byte* /*to*/) {
  return 0;
}

template <std::size_t W>
std::int64_t pack_even(const std::byte* /*from*/, std::int64_t /*count*/, std::byte* /*to*/) {
  return 0;
}

#endif

/// Blocks of 9 to 15 bytes (say) by single vectors of 16, which read and write into what follows
/// the block: all but the last, for the sake of what lies behind it. Returns how many.
template <std::size_t W>
HWY_INLINE std::int64_t pack_spilling(const std::byte* user, std::int64_t count, Bytes stride,
                                      Bytes bytes, std::byte* packed) {
  std::int64_t i = 0;
  for (; i + 4 < count; i += 4, user += 4 * stride, packed += 4 * bytes) {
    copy_fixed<2 * W>(packed, user);
    copy_fixed<2 * W>(packed + bytes, user + stride);
    copy_fixed<2 * W>(packed + 2 * bytes, user + 2 * stride);
    copy_fixed<2 * W>(packed + 3 * bytes, user + 3 * stride);
  }
  return i;
}

/// Whether blocks at such a stride all lie in two lines each, if the first does.
HWY_INLINE bool straddle_lines(const std::byte* first, Bytes stride, Bytes bytes) {
  return stride % kLine == 0 &&
         static_cast<Bytes>(reinterpret_cast<std::uintptr_t>(first) % kLine) + bytes > kLine;
}

/// Whether reading `wide` bytes in place of `bytes` reads as many lines again, of more than the
/// first-level cache holds: up to twice the time.
HWY_INLINE bool reads_more_lines(const std::byte* user, std::int64_t count, Bytes stride,
                                 Bytes bytes, Bytes wide) {
  constexpr Bytes kFirstLevel = Bytes{32} << 10;
  return stride > kLine && count * stride > kFirstLevel && straddle_lines(user, stride, wide) &&
         !straddle_lines(user, stride, bytes);
}

/// What may read between the blocks. Returns how many blocks it has packed.
template <class Mover>
HWY_INLINE std::int64_t pack_reading_gaps(const Mover& mover, const std::byte* user,
                                          std::int64_t count, Bytes stride, std::byte* packed) {
  if constexpr (IsElement<Mover>::value) {
    constexpr std::size_t kBytes = Mover::bytes();
    if (stride == 2 * Mover::bytes()) return pack_even<kBytes>(user, count, packed);
  } else if constexpr (IsPair<Mover>::value) {
    constexpr Bytes kWide = 2 * Mover::kWidth;
    if (stride >= mover.bytes() && stride <= kMaxReadStride &&
        !reads_more_lines(user, count, stride, mover.bytes(), kWide))
      return pack_spilling<Mover::kWidth>(user, count, stride, mover.bytes(), packed);
  }
  return 0;
}

/// From how many on blocks at multiples of 512 bytes are more than their sets of the first-level
/// cache have room for.
inline constexpr std::int64_t kCrowd = 128;

/// Blocks at such strides lie in one set of the first-level cache. More misses at a time than a set
/// has room for cost some processors more than waiting for a few does
/// (port::prefers_few_loads_of_a_set); unpacked blocks in two lines do not gain by it.
template <bool kPack>
HWY_INLINE bool crowds_a_set(const std::byte* user, std::int64_t count, Bytes stride, Bytes bytes) {
  return count >= kCrowd && stride % 4096 == 0 && bytes <= 64 && stride != 0 &&
         port::prefers_few_loads_of_a_set() && (kPack || !straddle_lines(user, stride, bytes));
}

/// Blocks at odd multiples of 512 bytes lie in eight sets. On the same processors storing each
/// twice takes half the time where the second-level cache holds their lines (0.56 ns a block
/// instead of 1.13), and three quarters where the third does; beyond it takes longer. Two stores
/// that follow each other to a line make the difference, so blocks of two moves do not gain; nor do
/// blocks at other strides, or a tenth.
HWY_INLINE bool wants_two_stores(std::int64_t count, Bytes stride) {
  constexpr Bytes kCached = Bytes{8} << 20;
  return count >= kCrowd && (stride & 1023) == 512 && count * std::abs(stride) <= kCached &&
         port::prefers_few_loads_of_a_set();
}

/// Rows of a few lines at multiples of 2 KiB crowd sets, too, where more than a set's eight lines
/// come together: stored by 16 bytes, four times in each line, they take half the time, for the
/// same unknown reason. Beside 4096: 128 to 511 bytes, 4.4 ns instead of 8 to 11.
HWY_INLINE bool wants_narrow_stores(std::int64_t count, Bytes stride, Bytes bytes) {
  constexpr std::int64_t kWays = 8;
  if (stride % 2048 != 0 || stride == 0 || !port::prefers_few_loads_of_a_set()) return false;
  if (stride % 4096 == 0) return count > kWays && bytes >= 128 && bytes < 512;
  return count >= 2 * kWays && bytes <= 200;
}

/// Blocks that one store moves.
template <class Mover>
struct IsOneStore : std::false_type {};
template <std::size_t W>
struct IsOneStore<Exact<W>> : std::bool_constant<(W <= 32)> {};

template <class Mover>
class Rows {
 public:
  Rows(const Shape& shape, std::int64_t /*outer_count*/, const std::byte* /*packed*/)
      : mover_(shape.block_bytes) {}

  template <bool kPack>
  HWY_INLINE std::byte* move(std::byte* user, std::int64_t count, Bytes stride,
                             std::byte* packed) const {
    const Bytes bytes = mover_.bytes();
    std::int64_t i = 0;
    if constexpr (!kPack && kVectors && IsElement<Mover>::value) {
      if (stride == 2 * bytes) {
        i = unpack_even<Mover::bytes()>(packed, count, user);
        user += i * stride;
        packed += i * bytes;
      }
    }
    if (crowds_a_set<kPack>(user, count, stride, bytes)) {
      for (; i + 4 <= count; i += 4, user += 4 * stride, packed += 4 * bytes) {
        move_four<kPack>(user, stride, packed);
        port::await_loads();
      }
    } else if constexpr (!kPack && IsOneStore<Mover>::value) {
      const std::int64_t twice = wants_two_stores(count, stride) ? count : 0;
      for (; i < twice; ++i, user += stride, packed += bytes) store_twice(user, packed);
    } else if constexpr (!kPack && std::is_same_v<Mover, Pair<16>>) {
      if (bytes <= 3 * kWord && straddle_lines(user, stride, bytes))
        return unpack_by_words(user, count, stride, packed);
    } else if constexpr (kPack && kVectors && port::kReadsBetweenBlocks) {
      i = pack_reading_gaps(mover_, user, count, stride, packed);
      user += i * stride;
      packed += i * bytes;
    }
    for (; i + 4 <= count; i += 4, user += 4 * stride, packed += 4 * bytes)
      move_four<kPack>(user, stride, packed);
    for (; i < count; ++i, user += stride, packed += bytes)
      mover_.template move<kPack>(user, packed);
    return packed;
  }

 private:
  template <bool kPack>
  HWY_INLINE void move_four(std::byte* user, Bytes stride, std::byte* packed) const {
    const Bytes bytes = mover_.bytes();
    mover_.template move<kPack>(user, packed);
    mover_.template move<kPack>(user + stride, packed + bytes);
    mover_.template move<kPack>(user + 2 * stride, packed + 2 * bytes);
    mover_.template move<kPack>(user + 3 * stride, packed + 3 * bytes);
  }

  HWY_INLINE void store_twice(std::byte* user, std::byte* packed) const {
    mover_.template move<false>(user, packed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // for the compiler: both are wanted
    mover_.template move<false>(user, packed);
  }

  /// Blocks of 17 to 24 bytes that lie in two lines each: vectors that do so wait for both.
  HWY_INLINE std::byte* unpack_by_words(std::byte* user, std::int64_t count, Bytes stride,
                                        std::byte* packed) const {
    const Bytes last = mover_.bytes() - kWord;
    for (std::int64_t i = 0; i < count; ++i, user += stride, packed += mover_.bytes()) {
      move_fixed<false, kWord>(user, packed);
      move_fixed<false, kWord>(user + kWord, packed + kWord);
      move_fixed<false, kWord>(user + last, packed + last);
    }
    return packed;
  }

  static constexpr Bytes kWord = 8;

  Mover mover_;
};

#if SLUICE_DATATYPE_VECTOR_TARGET

/// Blocks of 64 bytes, and of 128 and more. Where there is so much to move that no cache holds it,
/// they are written past the caches if they are whole lines, which would be read first otherwise;
/// those that do not begin where lines do are moved by 16 bytes, because vectors that lie in two
/// lines wait for both.
template <class Mover>
class LongRows {
 public:
  LongRows(const Shape& shape, std::int64_t outer_count, const std::byte* packed)
      : rows_(shape, outer_count, packed), bytes_(shape.block_bytes) {
    Bytes all = outer_count * bytes_;
    for (const Dimension& d : shape.dimensions.subspan(1)) all *= d.count;
    is_much_ = all >= kStreamBytes;
  }
  ~LongRows() {
    if (is_much_) hwy::FlushStream();
  }
  LongRows(const LongRows&) = delete;
  LongRows& operator=(const LongRows&) = delete;

  template <bool kPack>
  HWY_INLINE std::byte* move(std::byte* user, std::int64_t count, Bytes stride,
                             std::byte* packed) const {
    const bool lines = bytes_ % kLine == 0 && (kPack ? is_line(packed) : is_line(user, stride));
    if (is_much_ && lines) {
      for (; count > 0; --count, user += stride, packed += bytes_)
        kPack ? stream(user, packed) : stream(packed, user);
      return packed;
    }
    if constexpr (!std::is_same_v<Mover, Long>) {
      const bool across = is_much_ && !(is_line(packed, bytes_) && is_line(user, stride));
      if (across || (!kPack && wants_narrow_stores(count, stride, bytes_))) {
        for (; count > 0; --count, user += stride, packed += bytes_) narrow<kPack>(user, packed);
        return packed;
      }
    }
    return rows_.template move<kPack>(user, count, stride, packed);
  }

 private:
  /// Whether blocks at such a stride all begin where lines do.
  static bool is_line(const std::byte* first, Bytes stride = 0) {
    return reinterpret_cast<std::uintptr_t>(first) % kLine == 0 && stride % kLine == 0;
  }

  HWY_INLINE void stream(const std::byte* from, std::byte* to) const {
    const hn::CappedTag<std::uint8_t, kLine> d;
    for (Bytes at = 0; at < bytes_; at += static_cast<Bytes>(hn::MaxLanes(d)))
      hn::Stream(hn::LoadU(d, reinterpret_cast<const std::uint8_t*>(from + at)), d,
                 reinterpret_cast<std::uint8_t*>(to + at));
  }

  template <bool kPack>
  HWY_INLINE void narrow(std::byte* user, std::byte* packed) const {
    const Bytes last = bytes_ - 16;
    for (Bytes at = 0; at < last; at += 16) move_fixed<kPack, 16>(user + at, packed + at);
    move_fixed<kPack, 16>(user + last, packed + last);
  }

  Rows<Mover> rows_;
  Bytes bytes_;
  bool is_much_;
};

#else

template <class Mover>
using LongRows = Rows<Mover>;

#endif

struct ChooseRows {
  template <class Mover>
  static Movers choose() {
    if constexpr (std::is_same_v<Mover, Exact<1>>) return movers_of<Rows<Mover>>("gather1");
    if constexpr (std::is_same_v<Mover, Exact<2>>) return movers_of<Rows<Mover>>("gather2");
    if constexpr (std::is_same_v<Mover, Exact<4>>) return movers_of<Rows<Mover>>("gather4");
    if constexpr (std::is_same_v<Mover, Exact<8>>) return movers_of<Rows<Mover>>("gather8");
    if constexpr (std::is_same_v<Mover, Exact<16>>) return movers_of<Rows<Mover>>("gather16");
    if constexpr (std::is_same_v<Mover, Exact<64>> || std::is_same_v<Mover, Steps> ||
                  std::is_same_v<Mover, Long>)
      return movers_of<LongRows<Mover>>("rows");
    return movers_of<Rows<Mover>>("rows");
  }
};

Movers select_rows(const Shape& shape) { return with_block<ChooseRows>(shape.block_bytes); }

}  // namespace HWY_NAMESPACE
}  // namespace sluice::datatype
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::datatype {
namespace {

void pack_contiguous(const Shape& shape, std::int64_t outer_count, const std::byte* user,
                     std::byte* packed) {
  const std::int64_t bytes = outer_count * shape.block_bytes;
  if (bytes > 0) std::memcpy(packed, user + shape.offset, static_cast<std::size_t>(bytes));
}
void unpack_contiguous(const Shape& shape, std::int64_t outer_count, const std::byte* packed,
                       std::byte* user) {
  const std::int64_t bytes = outer_count * shape.block_bytes;
  if (bytes > 0) std::memcpy(user + shape.offset, packed, static_cast<std::size_t>(bytes));
}

}  // namespace

HWY_EXPORT(select_rows);

Movers row_movers(const Shape& shape) {
  if (shape.dimensions.size() == 1 && shape.dimensions[0].stride == shape.block_bytes)
    return {pack_contiguous, unpack_contiguous, "contiguous"};
  return HWY_DYNAMIC_DISPATCH(select_rows)(shape);
}

}  // namespace sluice::datatype
#endif
