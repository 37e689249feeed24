// The shapes that movers are measured with, under the names that the tables in docs use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "datatype/shape.hpp"

namespace sluice::datatype::perf {

struct Case {
  std::string name;
  Leaf leaf = Leaf::kBlock;
  std::int64_t block_bytes = 0;
  std::int64_t element_bytes = 1;  ///< of the named type that the blocks consist of
  bool by_count = false;           ///< the outermost dimension is the count of elements
  std::vector<Dimension> dimensions;
  std::vector<Block> fields;
  std::vector<std::int64_t> offsets;

  Shape shape() const;
  std::int64_t packed_bytes() const;
  /// Bytes from the address that the user passes to behind the last block. Nothing lies before that
  /// address.
  std::int64_t user_bytes() const;
};

/// Those of which `filter` is a part of the name.
std::vector<Case> make_cases(const std::string& filter);

}  // namespace sluice::datatype::perf
