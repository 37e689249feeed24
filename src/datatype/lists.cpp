// Lists of blocks: one length at any offsets, or any lengths at any offsets.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "datatype/lists.cpp"
#include "datatype/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include "datatype/families.hpp"
#include "datatype/moves-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::datatype {
namespace HWY_NAMESPACE {

/// Blocks of one length.
template <class Mover>
class Indexed {
 public:
  Indexed(const Shape& shape, std::int64_t /*outer_count*/, const std::byte* /*packed*/)
      : offsets_(shape.offsets), mover_(shape.block_bytes) {}

  template <bool kPack>
  HWY_INLINE std::byte* move(std::byte* user, std::int64_t count, Bytes stride,
                             std::byte* packed) const {
    const Bytes bytes = mover_.bytes();
    const std::int64_t* const offsets = offsets_.data();
    const std::size_t blocks = offsets_.size();
    for (std::int64_t i = 0; i < count; ++i, user += stride) {
      std::size_t k = 0;
      for (; k + 4 <= blocks; k += 4, packed += 4 * bytes) {
        mover_.template move<kPack>(user + offsets[k], packed);
        mover_.template move<kPack>(user + offsets[k + 1], packed + bytes);
        mover_.template move<kPack>(user + offsets[k + 2], packed + 2 * bytes);
        mover_.template move<kPack>(user + offsets[k + 3], packed + 3 * bytes);
      }
      for (; k < blocks; ++k, packed += bytes)
        mover_.template move<kPack>(user + offsets[k], packed);
    }
    return packed;
  }

 private:
  std::span<const std::int64_t> offsets_;
  Mover mover_;
};

/// At most this many bytes are moved without asking how many.
inline constexpr Bytes kShortBytes = 64;
inline constexpr std::uintptr_t kPageBytes = 4096;

/// Whether kShortBytes from here on are on the page where `at` is.
HWY_INLINE bool stays_on_page(const std::byte* at) {
  return reinterpret_cast<std::uintptr_t>(at) % kPageBytes <= kPageBytes - kShortBytes;
}

/// A block of at most kShortBytes, with few cases, because lengths that change at every block make
/// every case a branch that is guessed wrong. From 16 bytes on the same four vectors for all.
template <bool kPack>
HWY_INLINE void move_short(std::byte* user, std::byte* packed, Bytes bytes) {
  if (bytes >= 16) {
    const Bytes last = bytes - 16;
    const Bytes second = last < 16 ? last : 16;
    const Bytes third = last < 32 ? last : 32;
    move_fixed<kPack, 16>(user, packed);
    move_fixed<kPack, 16>(user + second, packed + second);
    move_fixed<kPack, 16>(user + third, packed + third);
    move_fixed<kPack, 16>(user + last, packed + last);
  } else if (bytes >= 8) {
    Pair<8>(bytes).template move<kPack>(user, packed);
  } else if (bytes >= 4) {
    Pair<4>(bytes).template move<kPack>(user, packed);
  } else if (bytes > 0) {
    const Bytes middle = bytes / 2;
    move_fixed<kPack, 1>(user, packed);
    move_fixed<kPack, 1>(user + middle, packed + middle);
    move_fixed<kPack, 1>(user + bytes - 1, packed + bytes - 1);
  }
}

/// With masks: nothing but the block is touched, and there is one case.
template <bool kPack>
HWY_INLINE void move_masked(std::byte* user, std::byte* packed, Bytes bytes) {
  const hn::CappedTag<std::uint8_t, kShortBytes> d;
  const auto mask = hn::FirstN(d, static_cast<std::size_t>(bytes));
  auto* from = reinterpret_cast<std::uint8_t*>(kPack ? user : packed);
  auto* to = reinterpret_cast<std::uint8_t*>(kPack ? packed : user);
  hn::BlendedStore(hn::MaskedLoad(mask, d, from), mask, d, to);
}

/// Only where a mask covers kShortBytes, and loads and stores under it touch nothing else.
inline constexpr bool kHasMasks = HWY_TARGET <= HWY_AVX3;

class Ragged {
 public:
  Ragged(const Shape& shape, std::int64_t outer_count, const std::byte* packed)
      : fields_(shape.fields), end_(packed) {
    Bytes bytes = shape.leaf_bytes * outer_count;
    for (const Dimension& d : shape.dimensions.subspan(1)) bytes *= d.count;
    end_ += bytes;
  }

  template <bool kPack>
  HWY_INLINE std::byte* move(std::byte* user, std::int64_t count, Bytes stride,
                             std::byte* packed) const {
    for (std::int64_t i = 0; i < count; ++i, user += stride) {
      for (const Block& field : fields_) {
        move_block<kPack>(user + field.offset, packed, field.bytes);
        packed += field.bytes;
      }
    }
    return packed;
  }

 private:
  template <bool kPack>
  HWY_INLINE void move_block(std::byte* user, std::byte* packed, Bytes bytes) const {
    // A block without bytes may lie anywhere.
    if (HWY_UNLIKELY(bytes - 1 >= kShortBytes || bytes == 0))
      return move_any<kPack>(user, packed, bytes);
    if constexpr (kHasMasks) return move_masked<kPack>(user, packed, bytes);
    if constexpr (kPack && port::kReadsBetweenBlocks) {
      if (HWY_LIKELY(end_ - packed >= kShortBytes && stays_on_page(user)))
        return move_fixed<kPack, kShortBytes>(user, packed);
    }
    move_short<kPack>(user, packed, bytes);
  }

  std::span<const Block> fields_;
  const std::byte* end_;
};

struct ChooseIndexed {
  template <class Mover>
  static Movers choose() {
    return movers_of<Indexed<Mover>>("indexed");
  }
};

Movers select_list(const Shape& shape) {
  if (shape.leaf == Leaf::kRagged) return movers_of<Ragged>("ragged");
  return with_block<ChooseIndexed>(shape.block_bytes);
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::datatype
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::datatype {

HWY_EXPORT(select_list);

Movers list_movers(const Shape& shape) { return HWY_DYNAMIC_DISPATCH(select_list)(shape); }

}  // namespace sluice::datatype
#endif
