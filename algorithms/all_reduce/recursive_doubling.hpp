// All-reduce by recursive doubling: in step s, exchange everything with the rank 2^s away and add.
//
// Ranks beyond a power of two hand their input to a neighbour first and get the result last.
// Cost: ceil(log2 p) (alpha + n beta), two more steps when p is no power of two. For small messages
// over links. Order of additions: a balanced tree over the ranks, lower half first; the same bits
// everywhere. Types under 32 bits are rounded at every step. Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/power_of_two.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_recursive_doubling(const Group& group, Fabric& fabric, const Math& math,
                                             const Arguments& a) {
  const PowerOfTwo shape = PowerOfTwo::of(fabric.size());
  const std::int32_t me = fabric.rank();
  const Range whole{0, a.bytes()};
  const std::uint64_t piece_bytes = fabric.piece_bytes();
  for (std::uint64_t k = 0; k * piece_bytes < whole.bytes; ++k) {
    const Range piece = whole.slice(k, piece_bytes);
    const std::byte* input = a.input + piece.offset;
    std::byte* output = a.output + piece.offset;
    if (shape.steps_aside(me)) {
      fabric.send(group, me + 1, input, piece.bytes);
      fabric.receive_copy(group, me + 1, output, piece.bytes);
      continue;
    }
    const std::byte* own = input;  // the sum so far
    if (shape.stands_for_two(me)) {
      fabric.receive_reduce(group, math, me - 1, input, output, piece.bytes, false,
                            shape.core == 1);
      own = output;
    }
    for (std::int32_t distance = 1; distance < shape.core; distance *= 2) {
      const std::int32_t other = shape.rank_at(shape.position(me) ^ distance);
      fabric.send(group, other, own, piece.bytes);
      fabric.receive_reduce(group, math, other, own, output, piece.bytes, me < other,
                            distance * 2 == shape.core);
      own = output;
    }
    copy(group, output, own, piece.bytes);  // of a rank that is alone
    if (shape.stands_for_two(me)) fabric.send(group, me - 1, output, piece.bytes);
  }
}

}  // namespace sluice
