// What every schedule is given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/blocks.hpp"

namespace sluice {

/// One rank's call. `input` and `output` may be one buffer; what belongs where is said at each
/// collective in include/sluice/communicator.hpp.
struct Arguments {
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  std::uint64_t count = 0;  // elements, as the caller passed it
  std::uint64_t elem_bytes = 1;
  std::int32_t root = 0;
  Blocks blocks = Blocks::equal(
      0, 1, 0);  // where a collective has them: how its larger buffer divides among the ranks

  SLUICE_FN std::uint64_t bytes() const { return count * elem_bytes; }
};

}  // namespace sluice
