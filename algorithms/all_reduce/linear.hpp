// All-reduce through one rank: everybody sends rank 0 its input, which adds them and sends
// everybody the sum, piece by piece.
//
// Cost: 2 alpha, half an alpha more for every rank after the first two, and 2 (p - 1) n beta. Of all
// schedules the fewest messages in two steps: for small messages of few ranks that share cores,
// where every message takes one of them. Order of additions: by rank. Types under 32 bits are
// rounded at every step. Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_linear(const Group& group, Fabric& fabric, const Math& math,
                                 const Arguments& a) {
  const std::int32_t ranks = fabric.size();
  const Range whole{0, a.bytes()};
  const std::uint64_t piece_bytes = fabric.piece_bytes();
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    const std::byte* input = a.input + piece.offset;
    std::byte* output = a.output + piece.offset;
    if (fabric.rank() != 0) {
      fabric.send(group, 0, input, piece.bytes);
      fabric.receive_copy(group, 0, output, piece.bytes);
      continue;
    }
    const std::byte* sum = input;
    for (std::int32_t other = 1; other < ranks; ++other) {
      fabric.receive_reduce(group, math, other, sum, output, piece.bytes, true, other + 1 == ranks);
      sum = output;
    }
    copy(group, output, sum, piece.bytes);  // of a rank that is alone
    for (std::int32_t other = 1; other < ranks; ++other)
      fabric.send(group, other, output, piece.bytes);
  }
}

}  // namespace sluice
