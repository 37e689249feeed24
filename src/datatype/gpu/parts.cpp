#include "datatype/gpu/parts.hpp"

#include <algorithm>

namespace sluice::datatype::gpu {
namespace {

bool can_move(const Layout::Piece& piece) {
  return piece.shape->dimensions.size() <= kMaxDimensions;
}

std::int64_t bytes_of(const Layout::Piece& piece) {
  std::int64_t leaves = piece.outer_count;
  for (const Dimension& inner : piece.shape->dimensions.subspan(1)) leaves *= inner.count;
  return leaves * piece.shape->leaf_bytes;
}

}  // namespace

Parts::Parts(const Layout& layout) : layout_(layout) {
  if (const Layout::Piece many = layout.many(); many.shape != nullptr && can_move(many))
    whole_ = many;
  const auto pieces = layout.pieces();
  if (std::all_of(pieces.begin(), pieces.end(), can_move)) pieces_ = pieces;
}

std::vector<Part> Parts::of(std::int64_t count) {
  if (count <= 0 || layout_.size() == 0) return {};
  if (whole_.shape != nullptr) return {{whole_.shape, whole_.outer_count * count, 0, 0}};
  const auto pieces = std::ssize(pieces_);
  if (pieces == 0 || pieces > kMostLaunches / count) {
    if (!make_list()) return {};
    return {{&list_, count, 0, 0}};
  }
  std::vector<Part> parts;
  std::int64_t packed_offset = 0;
  for (std::int64_t element = 0; element < count; ++element)
    for (const Layout::Piece& piece : pieces_) {
      parts.push_back({piece.shape, piece.outer_count, element * layout_.extent(), packed_offset});
      packed_offset += bytes_of(piece);
    }
  return parts;
}

bool Parts::make_list() {
  if (list_.leaf_bytes > 0) return true;
  blocks_ = layout_.list_blocks(kMostListed);
  if (blocks_.empty()) return false;
  list_dimension_ = {1, layout_.extent()};
  list_.leaf = Leaf::kRagged;
  list_.leaf_bytes = layout_.size();
  list_.dimensions = {&list_dimension_, 1};
  list_.fields = blocks_;
  return true;
}

}  // namespace sluice::datatype::gpu
