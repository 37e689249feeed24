// What the fuzzer does with one input: draws two types from it, and asks of each whatever a layout
// promises.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "tests/datatype/agreement.hpp"
#include "tests/datatype/random_type.hpp"

namespace sluice::datatype::fuzz {

/// Empty, or what was wrong.
inline std::string run(std::span<const std::byte> input) {
  test::TypeSource source(input);
  const int depth = static_cast<int>(source.between(1, 5));
  const test::DrawnType types[] = {source.type(depth), source.type(depth)};
  for (const auto& type : types) {
    if (type.layout == nullptr) return "a type that fits was refused";
    if (auto complaint = test::Agreement(type).check(source); !complaint.empty()) return complaint;
  }
  const std::int64_t counts[] = {source.between(1, 3), source.between(1, 3)};
  if (auto complaint = test::copies_well(types[0], counts[0], types[1], counts[1]);
      !complaint.empty())
    return complaint;
  return test::copies_well(types[1], counts[1], types[0], counts[0]);
}

}  // namespace sluice::datatype::fuzz
