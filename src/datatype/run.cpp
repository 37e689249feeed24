#include "datatype/run.hpp"

#include <cstring>
#include <utility>

namespace sluice::datatype {

Store::Store() = default;
Store::~Store() = default;

namespace {

void pack_nothing(const Shape&, std::int64_t, const std::byte*, std::byte*) {}
void unpack_nothing(const Shape&, std::int64_t, const std::byte*, std::byte*) {}

void pack_contiguous(const Shape& shape, std::int64_t outer_count, const std::byte* user,
                     std::byte* packed) {
  std::memcpy(packed, user + shape.offset,
              static_cast<std::size_t>(outer_count * shape.block_bytes));
}
void unpack_contiguous(const Shape& shape, std::int64_t outer_count, const std::byte* packed,
                       std::byte* user) {
  std::memcpy(user + shape.offset, packed,
              static_cast<std::size_t>(outer_count * shape.block_bytes));
}

void move(const Run& run, std::int64_t count, const std::byte* user, std::byte*& packed) {
  run.pack(user, count, packed);
  packed += count * run.bytes();
}
void move(const Run& run, std::int64_t count, std::byte* user, const std::byte*& packed) {
  run.unpack(packed, count, user);
  packed += count * run.bytes();
}

template <class User, class Packed>
void move_parts(const MovedShape& shape, User user, Packed& packed) {
  const Store& store = *shape.store;
  if (shape.content == Content::kParts) {
    for (const auto& part : store.parts) move(*part, 1, user, packed);
    return;
  }
  const Run& part = *store.parts.front();
  for (std::size_t i = 0; i < store.offsets.size(); ++i)
    move(part, store.counts.empty() ? 1 : store.counts[i], user + store.offsets[i], packed);
}

template <class User, class Packed>
void move_steps(const MovedShape& shape, std::span<const Dimension> dimensions, std::int64_t count,
                User user, Packed& packed) {
  for (std::int64_t i = 0; i < count; ++i) {
    const User at = user + i * dimensions[0].stride;
    if (dimensions.size() == 1)
      move_parts(shape, at, packed);
    else
      move_steps(shape, dimensions.subspan(1), dimensions[1].count, at, packed);
  }
}

void pack_tree(const Shape& shape, std::int64_t outer_count, const std::byte* user,
               std::byte* packed) {
  move_steps(static_cast<const MovedShape&>(shape), shape.dimensions, outer_count,
             user + shape.offset, packed);
}
void unpack_tree(const Shape& shape, std::int64_t outer_count, const std::byte* packed,
                 std::byte* user) {
  move_steps(static_cast<const MovedShape&>(shape), shape.dimensions, outer_count,
             user + shape.offset, packed);
}

Leaf leaf_of(Content content) {
  switch (content) {
    case Content::kRecord: return Leaf::kRecord;
    case Content::kIndexed: return Leaf::kIndexed;
    case Content::kRagged: return Leaf::kRagged;
    default: return Leaf::kBlock;
  }
}

}  // namespace

Movers tree_movers() { return {pack_tree, unpack_tree, "tree"}; }

Run::Run(Form form, std::int64_t stride) : bytes_(form.bytes()), form_(std::move(form)) {
  dimensions_.reserve(form_.dimensions.size() + 1);
  dimensions_.push_back({1, stride});
  for (const Dimension& dimension : form_.dimensions.span()) dimensions_.push_back(dimension);
  const std::span<const Dimension> all = dimensions_.span();

  one_.content = form_.content;
  one_.store = form_.store.get();
  one_.leaf = leaf_of(form_.content);
  one_.offset = form_.offset;
  one_.block_bytes = form_.block_bytes;
  one_.leaf_bytes = form_.leaf_bytes;
  if (one_.store != nullptr) {
    one_.fields = one_.store->fields;
    if (form_.content == Content::kIndexed) one_.offsets = one_.store->offsets;
  }
  many_ = one_;
  const bool plain = form_.dimensions.empty();
  one_.dimensions = plain ? all : all.subspan(1);
  one_.per_element = one_.dimensions[0].count;
  many_.dimensions = plain || leads_on(all[1], stride) ? one_.dimensions : all;
  many_.per_element = many_.dimensions[0].count;

  const auto movers = [&](const MovedShape& shape, bool contiguous) -> Movers {
    if (form_.empty()) return {pack_nothing, unpack_nothing, "empty"};
    if (contiguous) return {pack_contiguous, unpack_contiguous, "contiguous"};
    if (form_.content >= Content::kParts) return tree_movers();
    return choose_movers(shape);
  };
  one_.movers = movers(one_, form_.one_block());
  if (many_.dimensions.size() == one_.dimensions.size() && !form_.one_block())
    many_.movers = one_.movers;
  else
    many_.movers = movers(many_, contiguous());
}

}  // namespace sluice::datatype
