// A layout and a type map do the same to every byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "datatype/layout.hpp"
#include "tests/datatype/random_type.hpp"
#include "tests/datatype/type_map.hpp"

namespace sluice::test {

/// Room for elements of a type, no more, with a pattern in it.
class Elements {
 public:
  Elements(const TypeMap& map, std::int64_t count, unsigned salt) {
    if (map.entries.empty()) return;
    const std::int64_t last = (count - 1) * map.extent();
    low_ = map.true_lower() + std::min<std::int64_t>(last, 0);
    bytes_.resize(
        static_cast<std::size_t>(map.true_upper() + std::max<std::int64_t>(last, 0) - low_));
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<std::byte>((i * 131 + i / 251 + salt) & 0xff);
  }
  std::byte* user() { return bytes_.data() - low_; }
  std::byte& at(std::int64_t offset) { return bytes_[static_cast<std::size_t>(offset - low_)]; }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::int64_t low_ = 0;
  std::vector<std::byte> bytes_;
};

/// The offset of every packed byte.
inline std::vector<std::int64_t> byte_offsets(const TypeMap& map, std::int64_t count) {
  std::vector<std::int64_t> offsets;
  for (std::int64_t i = 0; i < count; ++i)
    for (const auto& entry : map.entries)
      for (std::int64_t k = 0; k < entry.bytes; ++k)
        offsets.push_back(i * map.extent() + entry.offset + k);
  return offsets;
}

inline bool overlaps(std::vector<std::int64_t> offsets) {
  std::sort(offsets.begin(), offsets.end());
  return std::adjacent_find(offsets.begin(), offsets.end()) != offsets.end();
}

/// Empty, or the first thing that differs.
class Agreement {
 public:
  explicit Agreement(const DrawnType& type) : layout_(*type.layout), map_(type.map) {}

  std::string check(TypeSource& draw) {
    compare_numbers();
    for (const std::int64_t count : {std::int64_t{1}, 2 + draw.below(3)}) {
      if (count * layout_.size() > 20000) continue;
      compare_moves(count);
      compare_ranges(count, draw);
    }
    compare_pieces();
    return complaint_.empty() ? "" : complaint_ + " of " + layout_.describe();
  }

 private:
  void expect(const char* what, std::int64_t seen, std::int64_t expected) {
    if (seen != expected && complaint_.empty())
      complaint_ = std::string(what) + " is " + std::to_string(seen) + " where " +
                   std::to_string(expected) + " is right";
  }
  void expect(const std::string& what, bool holds) {
    if (!holds && complaint_.empty()) complaint_ = what;
  }

  void compare_numbers() {
    expect("size", layout_.size(), map_.size());
    expect("lower bound", layout_.lower_bound(), map_.lower());
    expect("extent", layout_.extent(), map_.extent());
    expect("true lower bound", layout_.true_lower_bound(), map_.true_lower());
    expect("true extent", layout_.true_extent(), map_.true_upper() - map_.true_lower());
    std::int64_t merged = 0, end = 0;
    for (const auto& entry : map_.entries) {
      if (merged == 0 || entry.offset != end) ++merged;
      end = entry.offset + entry.bytes;
    }
    const bool one = merged <= 1 && (merged == 0 || map_.extent() == map_.size());
    expect("contiguous", layout_.contiguous(), one);
    expect("too few blocks", layout_.blocks() >= merged);
    expect("too many blocks", layout_.blocks() <= static_cast<std::int64_t>(map_.entries.size()));
    expect("smallest block", layout_.smallest_block() * layout_.blocks() <= layout_.size());
    expect("largest block", layout_.largest_block() * layout_.blocks() >= layout_.size());
  }

  void compare_moves(std::int64_t count) {
    const auto offsets = byte_offsets(map_, count);
    Elements source(map_, count, 1);
    std::vector<std::byte> packed(offsets.size()), expected;
    for (const std::int64_t offset : offsets) expected.push_back(source.at(offset));
    layout_.pack(source.user(), count, packed.data());
    expect("packed bytes of " + std::to_string(count), packed == expected);

    if (overlaps(offsets)) return;  // MPI forbids to unpack these
    Elements target(map_, count, 77), right(map_, count, 77);
    layout_.unpack(packed.data(), count, target.user());
    for (std::size_t i = 0; i < offsets.size(); ++i) right.at(offsets[i]) = expected[i];
    expect("unpacked bytes of " + std::to_string(count), target.bytes() == right.bytes());
  }

  void compare_ranges(std::int64_t count, TypeSource& draw) {
    const auto offsets = byte_offsets(map_, count);
    const bool may_unpack = !overlaps(offsets);
    const auto bytes = static_cast<std::int64_t>(offsets.size());
    Elements source(map_, count, 1);
    std::vector<std::byte> expected;
    for (const std::int64_t offset : offsets) expected.push_back(source.at(offset));
    const auto compare = [&](std::int64_t first, std::int64_t last) {
      std::vector<std::byte> part(static_cast<std::size_t>(last - first));
      layout_.pack_range(source.user(), count, first, last, part.data());
      const std::string name = " [" + std::to_string(first) + ", " + std::to_string(last) + ")";
      expect("packed" + name, std::equal(part.begin(), part.end(), expected.begin() + first));
      if (!may_unpack) return;
      Elements target(map_, count, 77), right(map_, count, 77);
      layout_.unpack_range(part.data(), count, first, last, target.user());
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i)
        right.at(offsets[i]) = expected[i];
      expect("unpacked" + name, target.bytes() == right.bytes());
    };
    if (bytes <= 24) {
      for (std::int64_t first = 0; first <= bytes; ++first)
        for (std::int64_t last = first; last <= bytes; ++last) compare(first, last);
      return;
    }
    for (int i = 0; i < 4; ++i) {
      std::int64_t first = (draw.below(256) * 256 + draw.below(256)) % bytes;
      std::int64_t last = (draw.below(256) * 256 + draw.below(256)) % bytes;
      compare(std::min(first, last), std::max(first, last));
    }
    compare(1, bytes);
    compare(0, bytes - 1);
  }

  void compare_pieces() {
    const auto pieces = layout_.pieces();
    if (layout_.size() == 0) return expect("pieces of nothing", pieces.empty());
    const auto offsets = byte_offsets(map_, 1);
    Elements source(map_, 1, 9);
    std::vector<std::byte> packed(offsets.size()), expected;
    for (const std::int64_t offset : offsets) expected.push_back(source.at(offset));
    if (const auto many = layout_.many(); many.shape != nullptr) {
      datatype::plain_movers().pack(*many.shape, many.outer_count, source.user(), packed.data());
      expect("the shape of many", packed == expected);
      expect("pieces", static_cast<std::int64_t>(pieces.size()), 1);
    }
    if (pieces.empty()) return;
    std::byte* at = packed.data();
    for (const auto& [shape, outer_count] : pieces) {
      datatype::plain_movers().pack(*shape, outer_count, source.user(), at);
      std::int64_t bytes = shape->leaf_bytes * outer_count;
      for (const auto& dimension : shape->dimensions.subspan(1)) bytes *= dimension.count;
      at += bytes;
    }
    expect("the bytes of the pieces", at - packed.data(), layout_.size());
    expect("pieces", packed == expected);
  }

  const datatype::Layout& layout_;
  const TypeMap& map_;
  std::string complaint_;
};

/// From the one type's places to the other's.
inline std::string copies_well(const DrawnType& from, std::int64_t from_count, const DrawnType& to,
                               std::int64_t to_count) {
  const auto sources = byte_offsets(from.map, from_count);
  const auto targets = byte_offsets(to.map, to_count);
  if (overlaps(targets)) return {};
  Elements source(from.map, from_count, 1), target(to.map, to_count, 77),
      right(to.map, to_count, 77);
  const std::size_t bytes = std::min(sources.size(), targets.size());
  for (std::size_t i = 0; i < bytes; ++i) right.at(targets[i]) = source.at(sources[i]);
  const std::int64_t copied =
      datatype::copy(*from.layout, from_count, source.user(), *to.layout, to_count, target.user());
  if (copied == static_cast<std::int64_t>(bytes) && target.bytes() == right.bytes()) return {};
  return "a copy from " + from.layout->describe() + " to " + to.layout->describe();
}

}  // namespace sluice::test
