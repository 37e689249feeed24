// Blocks of one length whose innermost dimension is not the one with the smallest stride: element
// by element, each would cost a cache line. So the two dimensions are moved in tiles that use whole
// lines of both sides, and where neighbours touch, tiles are transposed in registers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "datatype/transpose.cpp"
#include "datatype/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "datatype/families.hpp"
#include "datatype/moves-inl.hpp"
#include "datatype/transpose_plan.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::datatype {
namespace HWY_NAMESPACE {

/// Other blocks, and neighbours that do not touch: block by block, in the same tiles.
template <class Mover>
class Tiled {
 public:
  explicit Tiled(Bytes bytes) : mover_(bytes) {}

  template <bool kPack>
  void move(std::byte* user, Dimension outer, Dimension inner, std::byte* packed,
            Bytes packed_stride) const {
    constexpr std::int64_t kSide = 16;
    for (std::int64_t o = 0; o < outer.count; o += kSide)
      for (std::int64_t i = 0; i < inner.count; i += kSide)
        move_tile<kPack>(user + o * outer.stride + i * inner.stride,
                         {std::min(kSide, outer.count - o), outer.stride},
                         {std::min(kSide, inner.count - i), inner.stride},
                         packed + o * packed_stride + i * mover_.bytes(), packed_stride);
  }

 private:
  template <bool kPack>
  HWY_INLINE void move_tile(std::byte* user, Dimension outer, Dimension inner, std::byte* packed,
                            Bytes packed_stride) const {
    for (std::int64_t o = 0; o < outer.count; ++o) {
      std::byte* at = user + o * outer.stride;
      std::byte* packed_at = packed + o * packed_stride;
      for (std::int64_t i = 0; i < inner.count; ++i) {
        mover_.template move<kPack>(at, packed_at);
        at += inner.stride;
        packed_at += mover_.bytes();
      }
    }
  }

  Mover mover_;
};

#if SLUICE_DATATYPE_VECTOR_TARGET

inline constexpr std::size_t kTileVector = HWY_MAX_BYTES < 32 ? 16 : 32;

/// Rows of `from` become columns of `to`. Elements of W bytes touch within a row, of either side.
/// A step: kRows rows of kColumns elements, which is 16 bytes of each.
template <std::size_t W>
struct Step {
  static constexpr std::int64_t kColumns = 16 / W;
  static constexpr std::int64_t kRows = kTileVector / W;
  using T = Lane<W>;
  using D = hn::Simd<T, kTileVector / sizeof(T), 0>;
  using DHalf = hn::Simd<T, 16 / sizeof(T), 0>;

  static HWY_INLINE hn::Vec<D> load(const std::byte* from, Bytes stride) {
    const auto* low = reinterpret_cast<const T*>(from);
    if constexpr (kTileVector == 16) {
      return hn::LoadU(D(), low);
    } else {
      const auto* high = reinterpret_cast<const T*>(from + kColumns * stride);
      return hn::Combine(D(), hn::LoadU(DHalf(), high), hn::LoadU(DHalf(), low));
    }
  }

  /// Interleaving the upper with the lower half of the rows, log2(rows) times, transposes.
  template <std::int64_t kLeft>
  static HWY_INLINE void interleave(hn::Vec<D> (&v)[kColumns]) {
    if constexpr (kLeft > 1) {
      hn::Vec<D> w[kColumns];
      for (std::int64_t i = 0; i < kColumns / 2; ++i) {
        w[2 * i] = hn::InterleaveLower(D(), v[i], v[i + kColumns / 2]);
        w[2 * i + 1] = hn::InterleaveUpper(D(), v[i], v[i + kColumns / 2]);
      }
      for (std::int64_t i = 0; i < kColumns; ++i) v[i] = w[i];
      interleave<kLeft / 2>(v);
    }
  }

  /// kStream: past the caches; `to` and its stride are whole vectors.
  template <bool kStream>
  static HWY_INLINE void run(const std::byte* from, Bytes from_stride, std::byte* to,
                             Bytes to_stride) {
    hn::Vec<D> v[kColumns];
    for (std::int64_t i = 0; i < kColumns; ++i) v[i] = load(from + i * from_stride, from_stride);
    interleave<kColumns>(v);
    for (std::int64_t i = 0; i < kColumns; ++i) {
      auto* const at = reinterpret_cast<T*>(to + i * to_stride);
      if constexpr (kStream)
        hn::Stream(v[i], D(), at);
      else
        hn::StoreU(v[i], D(), at);
    }
  }
};

template <std::size_t W>
HWY_INLINE void transpose_elements(const std::byte* from, Bytes from_stride, std::byte* to,
                                   Bytes to_stride, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; ++c)
    for (std::int64_t r = 0; r < rows; ++r)
      copy_fixed<W>(to + c * to_stride + r * static_cast<Bytes>(W),
                    from + r * from_stride + c * static_cast<Bytes>(W));
}

/// At most a line of rows and of columns.
template <std::size_t W, bool kStream>
HWY_INLINE void transpose_tile(const std::byte* from, Bytes from_stride, std::byte* to,
                               Bytes to_stride, std::int64_t rows, std::int64_t columns) {
  constexpr auto kW = static_cast<Bytes>(W);
  std::int64_t c = 0;
  for (; c + Step<W>::kColumns <= columns; c += Step<W>::kColumns) {
    std::int64_t r = 0;
    for (; r + Step<W>::kRows <= rows; r += Step<W>::kRows)
      Step<W>::template run<kStream>(from + r * from_stride + c * kW, from_stride,
                                     to + c * to_stride + r * kW, to_stride);
    if (r < rows)
      transpose_elements<W>(from + r * from_stride + c * kW, from_stride,
                            to + c * to_stride + r * kW, to_stride, rows - r, Step<W>::kColumns);
  }
  if (c < columns)
    transpose_elements<W>(from + c * kW, from_stride, to + c * to_stride, to_stride, rows,
                          columns - c);
}

inline constexpr std::int64_t kPanelLines = 8;

/// Up to a line of rows of a panel.
template <std::size_t W, bool kStream>
HWY_INLINE void transpose_step(const std::byte* from, Bytes from_stride, std::byte* to,
                               Bytes to_stride, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kSide = kLine / W;
  for (std::int64_t c = 0; c < columns; c += kSide)
    transpose_tile<W, kStream>(from + c * static_cast<Bytes>(W), from_stride, to + c * to_stride,
                               to_stride, rows, std::min(kSide, columns - c));
}

/// Large outputs are streamed: every tile writes whole lines, of few rows at a time where elements
/// are not too small. So many rows come before the rows of
/// `to` reach a line's beginning, where all do at the same element and are worth streaming; else
/// -1.
template <std::size_t W>
std::int64_t rows_before_streaming(const std::byte* to, Bytes to_stride, std::int64_t rows,
                                   std::int64_t columns) {
  const auto past_line = static_cast<Bytes>(reinterpret_cast<std::uintptr_t>(to) % kLine);
  const auto before = (kLine - past_line) % kLine;
  const bool streams = W >= 4 && rows * columns >= kStreamBytes / static_cast<Bytes>(W) &&
                       to_stride % kLine == 0 && before % static_cast<Bytes>(W) == 0;
  return streams ? std::min(before / static_cast<Bytes>(W), rows) : -1;
}

/// Blocks of W bytes that touch along the outer of the two dimensions.
template <std::size_t W>
struct Transposing {
  explicit Transposing(Bytes /*bytes*/) {}

  template <bool kPack>
  void move(std::byte* user, Dimension outer, Dimension inner, std::byte* packed,
            Bytes packed_stride) const {
    const std::byte* const from = kPack ? user : packed;
    std::byte* const to = kPack ? packed : user;
    const Bytes from_stride = kPack ? inner.stride : packed_stride;
    const Bytes to_stride = kPack ? packed_stride : inner.stride;
    const std::int64_t rows = kPack ? inner.count : outer.count;
    const std::int64_t columns = kPack ? outer.count : inner.count;
    // A panel is some lines of columns wide and all rows high: reads go along each row for as long
    // as the prefetchers notice, writes go along as many rows as the first-level TLB has pages for.
    constexpr std::int64_t kSide = kLine / W;
    constexpr std::int64_t kWide = kPanelLines * kSide;
    const std::int64_t before = rows_before_streaming<W>(to, to_stride, rows, columns);
    for (std::int64_t c = 0; c < columns; c += kWide) {
      const std::int64_t wide = std::min(kWide, columns - c);
      const auto step = [&]<bool kStream>(std::int64_t r, std::int64_t high) HWY_ATTR {
        transpose_step<W, kStream>(from + r * from_stride + c * static_cast<Bytes>(W), from_stride,
                                   to + c * to_stride + r * static_cast<Bytes>(W), to_stride, high,
                                   wide);
      };
      std::int64_t r = 0;
      if (before >= 0) {
        if (before > 0) step.template operator()<false>(0, before);
        for (r = before; r + kSide <= rows; r += kSide) step.template operator()<true>(r, kSide);
      }
      for (; r < rows; r += kSide) step.template operator()<false>(r, std::min(kSide, rows - r));
    }
    if (before >= 0) hwy::FlushStream();
  }
};

#else

template <std::size_t W>
using Transposing = Tiled<Exact<W>>;

#endif

/// Dimensions `level` and deeper, but for the two that `kernel` takes together.
template <bool kPack, class Kernel>
void walk_others(const Kernel& kernel, const Shape& shape, const TransposePlan& plan,
                 std::size_t level, std::byte* user, std::byte* packed) {
  const std::size_t innermost = shape.dimensions.size() - 1;
  if (level == plan.outer) ++level;
  if (level >= innermost) {
    const Dimension inner = shape.dimensions[innermost];
    const Dimension outer{plan.outer == 0 ? plan.outer_count : shape.dimensions[plan.outer].count,
                          shape.dimensions[plan.outer].stride};
    kernel.template move<kPack>(user, outer, inner, packed, packed_stride(shape, plan.outer));
    return;
  }
  const Dimension d = shape.dimensions[level];
  const std::int64_t count = level == 0 ? plan.outer_count : d.count;
  const Bytes stride = packed_stride(shape, level);
  for (std::int64_t i = 0; i < count; ++i, user += d.stride, packed += stride)
    walk_others<kPack>(kernel, shape, plan, level + 1, user, packed);
}

template <class Kernel>
void pack_transposed(const Shape& shape, std::int64_t outer_count, const std::byte* user,
                     std::byte* packed) {
  const TransposePlan plan{outer_of(shape), outer_count};
  walk_others<true>(Kernel(shape.block_bytes), shape, plan, 0,
                    const_cast<std::byte*>(user) + shape.offset, packed);
}
template <class Kernel>
void unpack_transposed(const Shape& shape, std::int64_t outer_count, const std::byte* packed,
                       std::byte* user) {
  const TransposePlan plan{outer_of(shape), outer_count};
  walk_others<false>(Kernel(shape.block_bytes), shape, plan, 0, user + shape.offset,
                     const_cast<std::byte*>(packed));
}

template <std::size_t W>
Movers transposing(const char* name) {
  return {pack_transposed<Transposing<W>>, unpack_transposed<Transposing<W>>, name};
}

struct ChooseTiled {
  template <class Mover>
  static Movers choose() {
    return {pack_transposed<Tiled<Mover>>, unpack_transposed<Tiled<Mover>>, "tiles"};
  }
};

/// Of a shape that has an outer dimension worth it.
Movers select_transpose(const Shape& shape) {
  if (shape.dimensions[outer_of(shape)].stride == shape.block_bytes) {
    switch (shape.block_bytes) {
      case 1: return transposing<1>("transpose1");
      case 2: return transposing<2>("transpose2");
      case 4: return transposing<4>("transpose4");
      case 8: return transposing<8>("transpose8");
      case 16: return transposing<16>("transpose16");
      default: break;
    }
  }
  return with_block<ChooseTiled>(shape.block_bytes);
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::datatype
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::datatype {

HWY_EXPORT(select_transpose);

Movers transpose_movers(const Shape& shape) {
  if (!worth_transposing(shape)) return {nullptr, nullptr, nullptr};
  return HWY_DYNAMIC_DISPATCH(select_transpose)(shape);
}

}  // namespace sluice::datatype
#endif
