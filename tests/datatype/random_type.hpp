// Types drawn from bytes, which a random number generator or a fuzzer supplies: as a layout and as
// a type map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "datatype/layout.hpp"
#include "tests/datatype/type_map.hpp"

namespace sluice::test {

struct DrawnType {
  datatype::LayoutPtr layout;
  TypeMap map;
};

class TypeSource {
 public:
  explicit TypeSource(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// In [0, below); 0 when the bytes are used up.
  std::int64_t below(std::int64_t limit) {
    if (bytes_.empty()) return 0;
    const std::int64_t drawn = std::to_integer<std::int64_t>(bytes_[0]) % limit;
    bytes_ = bytes_.subspan(1);
    return drawn;
  }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }

  DrawnType type(int depth) {
    if (depth == 0) return named();
    switch (below(13)) {
      case 0: return named();
      case 1: return contiguous(type(depth - 1));
      case 2: return vector(type(depth - 1), false);
      case 3: return vector(type(depth - 1), true);
      case 4: return list(type(depth - 1), false);
      case 5: return list(type(depth - 1), true);
      case 6: return list_of_blocks(type(depth - 1), false);
      case 7: return list_of_blocks(type(depth - 1), true);
      case 8:
      case 9: return structure(depth);
      case 10: return resized(type(depth - 1));
      case 11: return subarray(type(depth - 1));
      default: return darray(type(depth - 1));
    }
  }

 private:
  using Numbers = std::vector<std::int64_t>;

  DrawnType named() {
    static constexpr std::int64_t kSizes[] = {1, 4, 8, 2, 16, 3, 12};
    const std::int64_t size = kSizes[below(std::size(kSizes))];
    return {datatype::named(size), type_map::named(size)};
  }

  /// So many elements of `old` are not too many for a test, nor too far from each other.
  static bool affordable(const TypeMap& old, std::int64_t elements) {
    constexpr std::int64_t kFar = 4000;
    const auto marks = static_cast<std::int64_t>(old.marks.size());
    return elements * (static_cast<std::int64_t>(old.entries.size()) + marks) <= 1200 &&
           elements * old.size() <= 20000 && std::abs(old.extent()) <= kFar &&
           std::abs(old.lower()) <= kFar && std::abs(old.true_lower()) <= kFar &&
           std::abs(old.true_upper()) <= kFar;
  }

  DrawnType contiguous(const DrawnType& old) {
    const std::int64_t count = between(0, 5);
    if (!affordable(old.map, count)) return old;
    return {datatype::contiguous(count, old.layout), type_map::hvector(1, count, 0, old.map)};
  }

  DrawnType vector(const DrawnType& old, bool in_bytes) {
    const std::int64_t count = between(0, 5), length = between(0, 3);
    const std::int64_t stride = in_bytes ? 4 * between(-20, 20) + between(0, 1) : between(-5, 5);
    if (!affordable(old.map, count * length)) return old;
    if (in_bytes) {
      return {datatype::hvector(count, length, stride, old.layout),
              type_map::hvector(count, length, stride, old.map)};
    }
    return {datatype::vector(count, length, stride, old.layout),
            type_map::hvector(count, length, stride * old.map.extent(), old.map)};
  }

  /// Regular, nearly regular, or anything.
  Numbers places(std::int64_t n, std::int64_t unit) {
    const std::int64_t style = below(4), stride = between(-3, 6), row = between(1, 4);
    Numbers places(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t& place = places[static_cast<std::size_t>(i)];
      place = i * stride * unit;
      if (style == 1) place = (i % row * stride + i / row * 17) * unit;
      if (style == 2) place = between(-30, 30) * unit;
      if (style == 3) place = (i * 8 + between(0, 4)) * unit + (i == 5 ? 1 : 0);
    }
    return places;
  }
  std::int64_t entries() {
    const std::int64_t style = below(8);
    return style == 7 ? between(17, 60) : between(0, 6);
  }
  static Numbers times(Numbers numbers, std::int64_t factor) {
    for (auto& number : numbers) number *= factor;
    return numbers;
  }

  DrawnType list(const DrawnType& old, bool in_bytes) {
    const std::int64_t n = entries(), longest = between(0, 4);
    if (!affordable(old.map, n * longest)) return old;
    Numbers lengths;
    for (std::int64_t i = 0; i < n; ++i) lengths.push_back(between(0, longest));
    const Numbers displacements = places(n, in_bytes ? 4 : 1);
    if (in_bytes) {
      return {datatype::hindexed(lengths, displacements, old.layout),
              type_map::hindexed(lengths, displacements, old.map)};
    }
    return {datatype::indexed(lengths, displacements, old.layout),
            type_map::hindexed(lengths, times(displacements, old.map.extent()), old.map)};
  }

  DrawnType list_of_blocks(const DrawnType& old, bool in_bytes) {
    const std::int64_t n = entries(), length = between(0, 3);
    if (!affordable(old.map, n * length)) return old;
    const Numbers lengths(static_cast<std::size_t>(n), length);
    const Numbers displacements = places(n, in_bytes ? 4 : 1);
    if (in_bytes) {
      return {datatype::hindexed_block(length, displacements, old.layout),
              type_map::hindexed(lengths, displacements, old.map)};
    }
    return {datatype::indexed_block(length, displacements, old.layout),
            type_map::hindexed(lengths, times(displacements, old.map.extent()), old.map)};
  }

  DrawnType structure(int depth) {
    const std::int64_t n = between(0, 5);
    const bool same = below(4) == 0;
    Numbers lengths;
    const Numbers displacements = places(n, between(1, 8));
    std::vector<datatype::LayoutPtr> layouts;
    std::vector<TypeMap> maps;
    for (std::int64_t i = 0; i < n; ++i) {
      if (!same || i == 0) {
        const DrawnType part = type(depth - 1);
        layouts.push_back(part.layout);
        maps.push_back(part.map);
      } else {
        layouts.push_back(layouts.front());
        maps.push_back(TypeMap(maps.front()));
      }
      std::int64_t length = between(0, 3);
      if (!affordable(maps.back(), 5 * length)) length = 0;
      lengths.push_back(length);
    }
    return {datatype::structure(lengths, displacements, layouts),
            type_map::structure(lengths, displacements, maps)};
  }

  DrawnType resized(const DrawnType& old) {
    static constexpr std::int64_t kFactors[] = {1, 1, 2, 3, 0, -1};
    const std::int64_t lower = below(3) == 0 ? between(-16, 16) : old.map.lower();
    const std::int64_t extent = old.map.extent() * kFactors[below(std::size(kFactors))] +
                                (below(2) == 0 ? 0 : between(-8, 8));
    return {datatype::resized(lower, extent, old.layout),
            type_map::resized(lower, extent, old.map)};
  }

  DrawnType subarray(const DrawnType& old) {
    const std::int64_t n = between(1, 3);
    const auto order = below(2) == 0 ? datatype::ArrayOrder::kC : datatype::ArrayOrder::kFortran;
    Numbers sizes, subsizes, starts;
    std::int64_t all = 1;
    for (std::int64_t d = 0; d < n; ++d) {
      sizes.push_back(between(1, 5));
      subsizes.push_back(between(1, sizes.back()));
      starts.push_back(between(0, sizes.back() - subsizes.back()));
      all *= subsizes.back();
    }
    if (!affordable(old.map, all)) return old;
    return {datatype::subarray(sizes, subsizes, starts, order, old.layout),
            type_map::subarray(sizes, subsizes, starts, order, old.map)};
  }

  DrawnType darray(const DrawnType& old) {
    using datatype::Distribution;
    const std::int64_t n = between(1, 3);
    const auto order = below(2) == 0 ? datatype::ArrayOrder::kC : datatype::ArrayOrder::kFortran;
    std::vector<datatype::DistributedDimension> dimensions;
    std::int64_t all = 1, processes = 1;
    for (std::int64_t d = 0; d < n; ++d) {
      const std::int64_t size = between(1, 9), along = between(1, 3);
      const auto distribution = static_cast<Distribution>(below(3));
      std::int64_t argument = datatype::kDefaultArgument;
      if (distribution == Distribution::kCyclic && below(2) == 1) argument = between(1, 4);
      if (distribution == Distribution::kBlock && below(2) == 1)
        argument = (size + along - 1) / along + between(0, 2);
      const bool none = distribution == Distribution::kNone;
      dimensions.push_back({size, distribution, argument, none ? 1 : along});
      processes *= dimensions.back().processes;
      all *= size;
    }
    const std::int64_t rank = below(processes);
    if (!affordable(old.map, all)) return old;
    return {datatype::darray(processes, rank, dimensions, order, old.layout),
            type_map::darray(rank, dimensions, order, old.map)};
  }

  std::span<const std::byte> bytes_;
};

}  // namespace sluice::test
