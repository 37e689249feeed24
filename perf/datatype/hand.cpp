#include "hand.hpp"

#include <cstring>

namespace sluice::datatype::perf {
namespace {

struct Wide {
  double a;
  double b;
};

/// `elements` at a time, each T: what the compiler makes of it.
template <bool kPack, class T>
std::byte* move_elements(std::byte* user, std::int64_t elements, std::byte* packed) {
  T* const mine = reinterpret_cast<T*>(user);
  T* const theirs = reinterpret_cast<T*>(packed);
  for (std::int64_t i = 0; i < elements; ++i) {
    if constexpr (kPack) {
      theirs[i] = mine[i];
    } else {
      mine[i] = theirs[i];
    }
  }
  return packed + elements * static_cast<std::int64_t>(sizeof(T));
}

template <bool kPack, class T>
std::byte* move_rows(const Case& c, std::size_t level, std::byte* user, std::byte* packed) {
  const Dimension d = c.dimensions[level];
  const std::int64_t elements = c.block_bytes / static_cast<std::int64_t>(sizeof(T));
  if (level + 1 < c.dimensions.size()) {
    for (std::int64_t i = 0; i < d.count; ++i)
      packed = move_rows<kPack, T>(c, level + 1, user + i * d.stride, packed);
  } else if (elements == 1) {
    for (std::int64_t i = 0; i < d.count; ++i)
      packed = move_elements<kPack, T>(user + i * d.stride, 1, packed);
  } else {
    for (std::int64_t i = 0; i < d.count; ++i)
      packed = move_elements<kPack, T>(user + i * d.stride, elements, packed);
  }
  return packed;
}

template <bool kPack, class T>
void move_list(const Case& c, std::byte* user, std::byte* packed) {
  const std::int64_t elements = c.block_bytes / static_cast<std::int64_t>(sizeof(T));
  for (const std::int64_t offset : c.offsets)
    packed = move_elements<kPack, T>(user + offset, elements, packed);
}

template <bool kPack>
void move_fields(const Case& c, std::byte* user, std::byte* packed) {
  for (std::int64_t i = 0; i < c.dimensions[0].count; ++i, user += c.dimensions[0].stride) {
    for (const Block& field : c.fields) {
      const auto bytes = static_cast<std::size_t>(field.bytes);
      std::memcpy(kPack ? packed : user + field.offset, kPack ? user + field.offset : packed,
                  bytes);
      packed += field.bytes;
    }
  }
}

/// The struct of the cases: int, double, char[3].
template <bool kPack>
void move_structs(std::int64_t count, std::byte* user, std::byte* packed) {
  for (std::int64_t i = 0; i < count; ++i, user += 24, packed += 15) {
    std::memcpy(kPack ? packed : user, kPack ? user : packed, 4);
    std::memcpy(kPack ? packed + 4 : user + 8, kPack ? user + 8 : packed + 4, 8);
    std::memcpy(kPack ? packed + 12 : user + 16, kPack ? user + 16 : packed + 12, 3);
  }
}

template <bool kPack, class T>
void move_elements_of(const Case& c, std::byte* user, std::byte* packed) {
  if (c.leaf == Leaf::kIndexed) {
    move_list<kPack, T>(c, user, packed);
  } else {
    move_rows<kPack, T>(c, 0, user, packed);
  }
}

template <bool kPack>
void move(const Case& c, std::byte* user, std::byte* packed) {
  if (c.leaf == Leaf::kRecord && c.fields.size() == 3)
    return move_structs<kPack>(c.dimensions[0].count, user, packed);
  if (c.leaf == Leaf::kRecord || c.leaf == Leaf::kRagged)
    return move_fields<kPack>(c, user, packed);
  if (c.block_bytes == 16) return move_elements_of<kPack, Wide>(c, user, packed);
  switch (c.element_bytes) {
    case 1: return move_elements_of<kPack, char>(c, user, packed);
    case 2: return move_elements_of<kPack, short>(c, user, packed);
    case 4: return move_elements_of<kPack, float>(c, user, packed);
    default: return move_elements_of<kPack, double>(c, user, packed);
  }
}

}  // namespace

void pack_by_hand(const Case& c, const std::byte* user, std::byte* packed) {
  move<true>(c, const_cast<std::byte*>(user), packed);
}
void unpack_by_hand(const Case& c, const std::byte* packed, std::byte* user) {
  move<false>(c, user, const_cast<std::byte*>(packed));
}

}  // namespace sluice::datatype::perf
