// What lists of places have in common. Private to src/datatype.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "datatype/form.hpp"

namespace sluice::datatype {

/// The packed offset of every kEntriesPerStart-th of n entries of bytes_of(i) bytes.
template <class BytesOf>
std::vector<std::int64_t> packed_starts(std::size_t n, const BytesOf& bytes_of) {
  std::vector<std::int64_t> starts;
  starts.reserve(n / kEntriesPerStart + 1);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (i % kEntriesPerStart == 0) starts.push_back(at);
    at += bytes_of(i);
  }
  return starts;
}

struct Entry {
  std::size_t index;
  std::int64_t start;  ///< packed offset
};

/// The entry that packed byte `byte` belongs to.
template <class BytesOf>
Entry entry_of(std::span<const std::int64_t> starts, std::int64_t byte, const BytesOf& bytes_of) {
  const auto behind = std::upper_bound(starts.begin(), starts.end(), byte);
  const std::size_t group = static_cast<std::size_t>(behind - starts.begin()) - 1;
  Entry entry{group * kEntriesPerStart, starts[group]};
  for (std::int64_t bytes = bytes_of(entry.index); entry.start + bytes <= byte;
       bytes = bytes_of(entry.index)) {
    entry.start += bytes;
    ++entry.index;
  }
  return entry;
}

/// The offsets at(0) ... at(n - 1) as dimensions, the outermost first, if they are regular; else
/// none. n > 1. A row is as long as the first stride lasts; then all rows must look like the first,
/// and their beginnings be regular.
template <class At>
Dimensions as_dimensions(std::size_t n, const At& at) {
  Dimensions dimensions;
  std::size_t step = 1;  // entries from one beginning to the next
  while (n > 1) {
    const auto begin = [&](std::size_t i) { return at(i * step); };
    std::int64_t stride;
    if (__builtin_sub_overflow(begin(1), begin(0), &stride)) return {};
    const auto leads = [&](std::size_t i) {
      std::int64_t difference;
      return !__builtin_sub_overflow(begin(i), begin(i - 1), &difference) && difference == stride;
    };
    std::size_t row = 2;
    while (row < n && leads(row)) ++row;
    if (n % row != 0) return {};
    for (std::size_t i = row; i < n; ++i)
      if (i % row != 0 && !leads(i)) return {};
    dimensions.push_front({static_cast<std::int64_t>(row), stride});
    n /= row;
    step *= row;
  }
  return dimensions;
}

}  // namespace sluice::datatype
