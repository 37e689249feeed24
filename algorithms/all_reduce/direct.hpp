// All-reduce in the users' own buffers: each rank reduces its block from everybody's input and
// writes the result into everybody's output. No staging, no second pass.
//
// Cost: 2 alpha; each rank reads n and writes n, which is the least that there is.
// Order of additions: by rank.
// Needs: every rank's input and output mapped by every other (sluice::alloc, or ranks of one
// process).
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_reduce_direct(const Group& group, Fabric& fabric, const Math& math,
                                 const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p));
  const Range mine = blocks[me];
  for (std::int32_t r = 0; r < p; ++r) {
    const std::byte* input = r == me ? a.input : fabric.exposed(r, PeerBuffer::kInput);
    std::byte* output = r == me ? a.output : fabric.exposed(r, PeerBuffer::kOutput);
    fabric.set_source(group, r, input + mine.offset);
    fabric.set_destination(group, r, output + mine.offset);
  }
  group.sync();
  const unsigned streaming = fabric.streaming(a.bytes()) ? ~0u : 0u;
  math.reduce(group, fabric.destinations(), static_cast<unsigned>(p), fabric.sources(),
              static_cast<unsigned>(p), mine.bytes, true, streaming);
  fabric.close_exposure(group);
}

}  // namespace sluice
