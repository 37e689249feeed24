// The median of a list of measurements.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace sluice {

/// The upper one of the two in the middle where there are two. Not of an empty list.
inline double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace sluice
