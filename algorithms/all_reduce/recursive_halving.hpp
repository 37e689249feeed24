// All-reduce by recursive halving and doubling (Rabenseifner): in step s of the first half,
// exchange half of what is left with the rank core / 2^(s+1) away and add; then give the finished
// blocks back the same way.
//
// Cost: 2 log2 p alpha + 2 (p - 1) / p n beta; with p no power of two, 2 (alpha + n beta) more for
// the ranks that step aside. The ring's bytes in fewer steps. Order of additions: a balanced tree
// over the ranks, upper distances first; the same bits everywhere. Types under 32 bits are rounded
// at every step. Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/power_of_two.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// Exchanges `out` for `in` of one buffer with `other`, in pieces that fit the link both ways at
/// once.
template <ThreadGroup Group, class Fabric, class Receive>
SLUICE_FN void exchange_ranges(const Group& group, Fabric& fabric, Range out, Range in,
                               std::uint64_t piece_bytes, Receive both) {
  const std::uint64_t longer = out.bytes > in.bytes ? out.bytes : in.bytes;
  for (std::uint64_t k = 0; k * piece_bytes < longer && !fabric.failed(group); ++k)
    both(out.slice(k, piece_bytes), in.slice(k, piece_bytes));
}

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_recursive_halving(const Group& group, Fabric& fabric, const Math& math,
                                            const Arguments& a) {
  const PowerOfTwo shape = PowerOfTwo::of(fabric.size());
  const std::int32_t me = fabric.rank(), position = shape.position(me);
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(shape.core));
  const auto span = [&](std::int32_t first,
                        std::int32_t count) {  // blocks [first, first + count) as one range
    const Range begin = blocks[first], end = blocks[first + count - 1];
    return Range{begin.offset, end.offset + end.bytes - begin.offset};
  };
  if (shape.steps_aside(me)) {
    fabric.send(group, me + 1, a.input, a.bytes());
    return fabric.receive_copy(group, me + 1, a.output, a.bytes());
  }
  if (shape.stands_for_two(me))
    fabric.receive_reduce(group, math, me - 1, a.input, a.output, a.bytes(), false,
                          shape.core == 1);
  else
    copy(group, a.output, a.input, a.bytes());
  for (std::int32_t half = shape.core / 2; half >= 1; half /= 2) {  // reduce-scatter
    const std::int32_t other = shape.rank_at(position ^ half);
    const std::int32_t keep = position & ~(half - 1), give = keep ^ half;
    exchange_ranges(group, fabric, span(give, half), span(keep, half), fabric.piece_bytes(),
                    [&](Range out, Range in) {
                      fabric.send(group, other, a.output + out.offset, out.bytes);
                      fabric.receive_reduce(group, math, other, a.output + in.offset,
                                            a.output + in.offset, in.bytes, me < other, half == 1);
                    });
  }
  for (std::int32_t half = 1; half < shape.core; half *= 2) {  // all-gather
    const std::int32_t other = shape.rank_at(position ^ half);
    const std::int32_t have = position & ~(half - 1), lack = have ^ half;
    exchange_ranges(group, fabric, span(have, half), span(lack, half), fabric.piece_bytes(),
                    [&](Range out, Range in) {
                      fabric.send(group, other, a.output + out.offset, out.bytes);
                      fabric.receive_copy(group, other, a.output + in.offset, in.bytes);
                    });
  }
  if (shape.stands_for_two(me)) fabric.send(group, me - 1, a.output, a.bytes());
}

}  // namespace sluice
