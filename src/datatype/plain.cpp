// A memcpy a block, for any shape.
#include <cstring>

#include "datatype/movers.hpp"

namespace sluice::datatype {

namespace {

void move_block(const std::byte* user, std::byte*& packed, std::int64_t bytes) {
  std::memcpy(packed, user, static_cast<std::size_t>(bytes));
  packed += bytes;
}
void move_block(std::byte* user, const std::byte*& packed, std::int64_t bytes) {
  std::memcpy(user, packed, static_cast<std::size_t>(bytes));
  packed += bytes;
}

template <class User, class Packed>
void move_leaf(const Shape& shape, User at, Packed& packed) {
  switch (shape.leaf) {
    case Leaf::kBlock: move_block(at, packed, shape.block_bytes); break;
    case Leaf::kRecord:
    case Leaf::kRagged:
      for (const Block& field : shape.fields) move_block(at + field.offset, packed, field.bytes);
      break;
    case Leaf::kIndexed:
      for (const std::int64_t offset : shape.offsets)
        move_block(at + offset, packed, shape.block_bytes);
      break;
  }
}

template <class User, class Packed>
void move_steps(const Shape& shape, std::span<const Dimension> dimensions, std::int64_t count,
                User at, Packed& packed) {
  for (std::int64_t i = 0; i < count; ++i) {
    const User step = at + i * dimensions[0].stride;
    if (dimensions.size() == 1)
      move_leaf(shape, step, packed);
    else
      move_steps(shape, dimensions.subspan(1), dimensions[1].count, step, packed);
  }
}

void pack_plain(const Shape& shape, std::int64_t outer_count, const std::byte* user,
                std::byte* packed) {
  move_steps(shape, shape.dimensions, outer_count, user + shape.offset, packed);
}
void unpack_plain(const Shape& shape, std::int64_t outer_count, const std::byte* packed,
                  std::byte* user) {
  move_steps(shape, shape.dimensions, outer_count, user + shape.offset, packed);
}

}  // namespace

Movers plain_movers() { return {pack_plain, unpack_plain, "plain"}; }

}  // namespace sluice::datatype
