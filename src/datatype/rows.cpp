// Blocks of one length at constant strides: rows, and gathers of single elements.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "datatype/rows.cpp"
#include "datatype/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

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

#if SLUICE_DATATYPE_VECTOR_TARGET

template <std::size_t W>
using Lane = std::conditional_t<
    W == 1, std::uint8_t,
    std::conditional_t<W == 2, std::uint16_t,
                       std::conditional_t<W == 4, std::uint32_t, std::uint64_t>>>;

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

#else

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

/// What may read between the blocks. Returns how many blocks it has packed.
template <class Mover>
HWY_INLINE std::int64_t pack_reading_gaps(const Mover& mover, const std::byte* user,
                                          std::int64_t count, Bytes stride, std::byte* packed) {
  if constexpr (std::is_same_v<Mover, Exact<1>> || std::is_same_v<Mover, Exact<2>> ||
                std::is_same_v<Mover, Exact<4>> || std::is_same_v<Mover, Exact<8>>) {
    constexpr std::size_t kBytes = Mover::bytes();
    if (stride == 2 * Mover::bytes()) return pack_even<kBytes>(user, count, packed);
  } else if constexpr (IsPair<Mover>::value) {
    if (stride >= mover.bytes() && stride <= kMaxReadStride)
      return pack_spilling<Mover::kWidth>(user, count, stride, mover.bytes(), packed);
  }
  return 0;
}

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
    if constexpr (kPack && kVectors && port::kReadsBetweenBlocks) {
      i = pack_reading_gaps(mover_, user, count, stride, packed);
      user += i * stride;
      packed += i * bytes;
    }
    for (; i + 4 <= count; i += 4, user += 4 * stride, packed += 4 * bytes) {
      mover_.template move<kPack>(user, packed);
      mover_.template move<kPack>(user + stride, packed + bytes);
      mover_.template move<kPack>(user + 2 * stride, packed + 2 * bytes);
      mover_.template move<kPack>(user + 3 * stride, packed + 3 * bytes);
    }
    for (; i < count; ++i, user += stride, packed += bytes)
      mover_.template move<kPack>(user, packed);
    return packed;
  }

 private:
  Mover mover_;
};

struct ChooseRows {
  template <class Mover>
  static Movers choose() {
    if constexpr (std::is_same_v<Mover, Exact<1>>) return movers_of<Rows<Mover>>("gather1");
    if constexpr (std::is_same_v<Mover, Exact<2>>) return movers_of<Rows<Mover>>("gather2");
    if constexpr (std::is_same_v<Mover, Exact<4>>) return movers_of<Rows<Mover>>("gather4");
    if constexpr (std::is_same_v<Mover, Exact<8>>) return movers_of<Rows<Mover>>("gather8");
    if constexpr (std::is_same_v<Mover, Exact<16>>) return movers_of<Rows<Mover>>("gather16");
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
