// How one block is moved, and how the dimensions around it are walked. Included once per
// instruction set (Highway).
//
// Kernels are written once for both directions: kPack says which side is read. A block is moved by
// one, two or several vectors, the last of which ends where the block ends, so nothing outside the
// block is touched and there are no scalar tails.
#if defined(SLUICE_DATATYPE_MOVES_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_DATATYPE_MOVES_INL
#undef SLUICE_DATATYPE_MOVES_INL
#else
#define SLUICE_DATATYPE_MOVES_INL
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/port.hpp"
#include "datatype/shape.hpp"
#include "datatype/targets.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::datatype {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Bytes = std::int64_t;

inline constexpr bool kVectors = SLUICE_DATATYPE_VECTOR_TARGET;

/// W bytes, a power of two.
template <std::size_t W>
HWY_INLINE void copy_fixed(std::byte* HWY_RESTRICT to, const std::byte* HWY_RESTRICT from) {
  if constexpr (W < 16 || !kVectors) {
    std::memcpy(to, from, W);
  } else if constexpr (W <= HWY_MAX_BYTES) {
    const hn::FixedTag<std::uint8_t, W> d;
    hn::StoreU(hn::LoadU(d, reinterpret_cast<const std::uint8_t*>(from)), d,
               reinterpret_cast<std::uint8_t*>(to));
  } else {
    copy_fixed<W / 2>(to, from);
    copy_fixed<W / 2>(to + W / 2, from + W / 2);
  }
}

template <bool kPack, std::size_t W>
HWY_INLINE void move_fixed(std::byte* user, std::byte* packed) {
  if constexpr (kPack) {
    copy_fixed<W>(packed, user);
  } else {
    copy_fixed<W>(user, packed);
  }
}

/// A block of W bytes.
template <std::size_t W>
struct Exact {
  explicit Exact(Bytes /*bytes*/) {}
  static constexpr Bytes bytes() { return W; }
  template <bool kPack>
  HWY_INLINE void move(std::byte* user, std::byte* packed) const {
    move_fixed<kPack, W>(user, packed);
  }
};

/// A block of W to 2 W bytes: its first W and its last W.
template <std::size_t W>
class Pair {
 public:
  static constexpr std::size_t kWidth = W;
  explicit Pair(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes() const { return bytes_; }
  template <bool kPack>
  HWY_INLINE void move(std::byte* user, std::byte* packed) const {
    move_fixed<kPack, W>(user, packed);
    const Bytes last = bytes_ - static_cast<Bytes>(W);
    move_fixed<kPack, W>(user + last, packed + last);
  }

 private:
  Bytes bytes_;
};

/// A block of 64 bytes or more, in steps of 64.
class Steps {
 public:
  explicit Steps(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes() const { return bytes_; }
  template <bool kPack>
  HWY_INLINE void move(std::byte* user, std::byte* packed) const {
    const Bytes last = bytes_ - 64;
    for (Bytes at = 0; at < last; at += 64) move_fixed<kPack, 64>(user + at, packed + at);
    move_fixed<kPack, 64>(user + last, packed + last);
  }

 private:
  Bytes bytes_;
};

/// A block that is worth a call of memcpy.
class Long {
 public:
  explicit Long(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes() const { return bytes_; }
  template <bool kPack>
  HWY_INLINE void move(std::byte* user, std::byte* packed) const {
    if constexpr (kPack) {
      std::memcpy(packed, user, static_cast<std::size_t>(bytes_));
    } else {
      std::memcpy(user, packed, static_cast<std::size_t>(bytes_));
    }
  }

 private:
  Bytes bytes_;
};

/// From here on memcpy is faster than Steps.
inline constexpr Bytes kLongBytes = 1024;

/// The unsigned integer of W bytes, up to 8: what a lane of a vector holds.
template <std::size_t W>
using Lane = std::conditional_t<
    W == 1, std::uint8_t,
    std::conditional_t<W == 2, std::uint16_t,
                       std::conditional_t<W == 4, std::uint32_t, std::uint64_t>>>;

inline constexpr Bytes kLine = 64;

/// Outputs of so much are written past the caches, where whole lines of them are written at a time:
/// they would not stay there, and each line would be read first.
inline constexpr Bytes kStreamBytes = Bytes{8} << 20;

/// A block of any length.
template <bool kPack>
HWY_INLINE void move_any(std::byte* user, std::byte* packed, Bytes bytes) {
  if (bytes >= 16) {
    if (bytes <= 32) return Pair<16>(bytes).template move<kPack>(user, packed);
    if (bytes <= 64) return Pair<32>(bytes).template move<kPack>(user, packed);
    if (bytes < kLongBytes) return Steps(bytes).template move<kPack>(user, packed);
    return Long(bytes).template move<kPack>(user, packed);
  }
  if (bytes >= 8) return Pair<8>(bytes).template move<kPack>(user, packed);
  if (bytes >= 4) return Pair<4>(bytes).template move<kPack>(user, packed);
  if (bytes >= 2) return Pair<2>(bytes).template move<kPack>(user, packed);
  if (bytes == 1) move_fixed<kPack, 1>(user, packed);
}

/// All but the two innermost dimensions. Returns where the next packed byte lies.
template <bool kPack, class Run>
std::byte* walk_outer(const Run& run, const Dimension* d, std::size_t dimensions,
                      std::int64_t count, std::byte* user, std::byte* packed) {
  for (std::int64_t i = 0; i < count; ++i, user += d[0].stride) {
    if (dimensions > 2) {
      packed = walk_outer<kPack>(run, d + 1, dimensions - 1, d[1].count, user, packed);
    } else {
      packed = run.template move<kPack>(user, d[1].count, d[1].stride, packed);
    }
  }
  return packed;
}

/// Gives `Run` the innermost dimension as often as the others say. Run::move<kPack>(user, count,
/// stride, packed) returns where the next packed byte lies.
template <bool kPack, class Run>
HWY_INLINE void walk(const Run& run, const Shape& shape, std::int64_t outer_count, std::byte* user,
                     std::byte* packed) {
  const Dimension* const d = shape.dimensions.data();
  user += shape.offset;
  if (shape.dimensions.size() == 1) {
    run.template move<kPack>(user, outer_count, d[0].stride, packed);
  } else {
    walk_outer<kPack>(run, d, shape.dimensions.size(), outer_count, user, packed);
  }
}

/// The functions that the table of movers wants.
template <class Run>
void pack_by(const Shape& shape, std::int64_t outer_count, const std::byte* user,
             std::byte* packed) {
  walk<true>(Run(shape, outer_count, packed), shape, outer_count, const_cast<std::byte*>(user),
             packed);
}
template <class Run>
void unpack_by(const Shape& shape, std::int64_t outer_count, const std::byte* packed,
               std::byte* user) {
  walk<false>(Run(shape, outer_count, packed), shape, outer_count, user,
              const_cast<std::byte*>(packed));
}

template <class Run>
Movers movers_of(const char* name) {
  return {pack_by<Run>, unpack_by<Run>, name};
}

/// Chooser::choose<BlockMover>() for the one that suits blocks of this length.
template <class Chooser>
Movers with_block(Bytes bytes) {
  switch (bytes) {
    case 1: return Chooser::template choose<Exact<1>>();
    case 2: return Chooser::template choose<Exact<2>>();
    case 4: return Chooser::template choose<Exact<4>>();
    case 8: return Chooser::template choose<Exact<8>>();
    case 16: return Chooser::template choose<Exact<16>>();
    case 32: return Chooser::template choose<Exact<32>>();
    case 64: return Chooser::template choose<Exact<64>>();
    default: break;
  }
  if (bytes < 4) return Chooser::template choose<Pair<2>>();
  if (bytes < 8) return Chooser::template choose<Pair<4>>();
  if (bytes < 16) return Chooser::template choose<Pair<8>>();
  if (bytes < 32) return Chooser::template choose<Pair<16>>();
  if (bytes < 64) return Chooser::template choose<Pair<32>>();
  if (bytes < 128) return Chooser::template choose<Pair<64>>();
  if (bytes < kLongBytes) return Chooser::template choose<Steps>();
  return Chooser::template choose<Long>();
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::datatype
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
