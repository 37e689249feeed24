// What MPI says that its constructors mean, word by word and byte by byte: the oracle that layouts
// are compared with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "datatype/layout.hpp"

namespace sluice::test {

/// MPI's type map: basic types in order, and the bounds that resized types mark.
struct TypeMap {
  std::vector<datatype::Block> entries;
  std::vector<std::pair<std::int64_t, std::int64_t>> marks;  ///< lower, upper

  std::int64_t size() const {
    std::int64_t sum = 0;
    for (const auto& entry : entries) sum += entry.bytes;
    return sum;
  }
  std::int64_t true_lower() const {
    std::int64_t lower = entries.empty() ? 0 : entries.front().offset;
    for (const auto& entry : entries) lower = std::min(lower, entry.offset);
    return lower;
  }
  std::int64_t true_upper() const {
    std::int64_t upper = entries.empty() ? 0 : entries.front().offset + entries.front().bytes;
    for (const auto& entry : entries) upper = std::max(upper, entry.offset + entry.bytes);
    return upper;
  }
  std::int64_t lower() const {
    if (marks.empty()) return true_lower();
    std::int64_t lower = marks.front().first;
    for (const auto& mark : marks) lower = std::min(lower, mark.first);
    return lower;
  }
  std::int64_t upper() const {
    if (marks.empty()) return true_upper();
    std::int64_t upper = marks.front().second;
    for (const auto& mark : marks) upper = std::max(upper, mark.second);
    return upper;
  }
  std::int64_t extent() const { return upper() - lower(); }

  void append(const TypeMap& other, std::int64_t offset) {
    for (const auto& entry : other.entries) entries.push_back({entry.offset + offset, entry.bytes});
    for (const auto& mark : other.marks)
      marks.push_back({mark.first + offset, mark.second + offset});
  }
};

namespace type_map {

inline TypeMap named(std::int64_t size) { return {{{0, size}}, {}}; }

inline TypeMap hvector(std::int64_t count, std::int64_t length, std::int64_t stride,
                       const TypeMap& old) {
  TypeMap map;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t k = 0; k < length; ++k) map.append(old, i * stride + k * old.extent());
  return map;
}

inline TypeMap hindexed(std::span<const std::int64_t> lengths,
                        std::span<const std::int64_t> displacements, const TypeMap& old) {
  TypeMap map;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    for (std::int64_t k = 0; k < lengths[i]; ++k)
      map.append(old, displacements[i] + k * old.extent());
  return map;
}

inline TypeMap structure(std::span<const std::int64_t> lengths,
                         std::span<const std::int64_t> displacements,
                         std::span<const TypeMap> olds) {
  TypeMap map;
  for (std::size_t i = 0; i < lengths.size(); ++i)
    for (std::int64_t k = 0; k < lengths[i]; ++k)
      map.append(olds[i], displacements[i] + k * olds[i].extent());
  return map;
}

inline TypeMap resized(std::int64_t lower, std::int64_t extent, TypeMap old) {
  old.marks = {{lower, lower + extent}};
  return old;
}

/// The elements of an array that are picked in each dimension, in the array's order.
inline TypeMap picked(std::span<const std::int64_t> sizes,
                      const std::vector<std::vector<std::int64_t>>& indices,
                      datatype::ArrayOrder order, const TypeMap& old) {
  const std::size_t n = sizes.size();
  std::vector<std::size_t> slowest_first(n);
  for (std::size_t d = 0; d < n; ++d)
    slowest_first[d] = order == datatype::ArrayOrder::kC ? d : n - 1 - d;
  std::vector<std::int64_t> places{0};
  std::int64_t all = 1;
  for (const std::size_t d : slowest_first) {
    std::vector<std::int64_t> next;
    for (const std::int64_t place : places)
      for (const std::int64_t index : indices[d]) next.push_back(place * sizes[d] + index);
    places = std::move(next);
    all *= sizes[d];
  }
  TypeMap map;
  for (const std::int64_t place : places) map.append(old, place * old.extent());
  map.marks = {{0, all * old.extent()}};
  return map;
}

inline TypeMap subarray(std::span<const std::int64_t> sizes, std::span<const std::int64_t> subsizes,
                        std::span<const std::int64_t> starts, datatype::ArrayOrder order,
                        const TypeMap& old) {
  std::vector<std::vector<std::int64_t>> indices(sizes.size());
  for (std::size_t d = 0; d < sizes.size(); ++d)
    for (std::int64_t i = 0; i < subsizes[d]; ++i) indices[d].push_back(starts[d] + i);
  return picked(sizes, indices, order, old);
}

inline TypeMap darray(std::int64_t rank, std::span<const datatype::DistributedDimension> dimensions,
                      datatype::ArrayOrder order, const TypeMap& old) {
  using datatype::Distribution;
  std::vector<std::int64_t> sizes;
  std::vector<std::vector<std::int64_t>> indices;
  std::int64_t others = 1;
  for (const auto& dimension : dimensions) others *= dimension.processes;
  for (const auto& dimension : dimensions) {
    others /= dimension.processes;
    const std::int64_t place = rank / others;
    rank %= others;
    const std::int64_t size = dimension.global_size;
    std::int64_t length = dimension.argument;
    if (dimension.distribution == Distribution::kNone) length = size;
    if (length == datatype::kDefaultArgument) {
      length = dimension.distribution == Distribution::kCyclic
                   ? 1
                   : (size + dimension.processes - 1) / dimension.processes;
    }
    sizes.push_back(size);
    indices.emplace_back();
    for (std::int64_t i = 0; i < size; ++i)
      if (i / length % dimension.processes == place) indices.back().push_back(i);
  }
  return picked(sizes, indices, order, old);
}

}  // namespace type_map
}  // namespace sluice::test
