// Reduce-scatter in the users' own buffers: each rank reduces its block straight from everybody's
// input.
//
// Cost: 2 alpha; each rank reads n and writes n / p, which is the least that there is.
// Order of additions: by rank. Needs: every rank's input mapped by every other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_scatter_direct(const Group& group, Fabric& fabric, const Math& math,
                                     const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Range mine = a.blocks[me];
  for (std::int32_t r = 0; r < p; ++r) {
    const std::byte* input = r == me ? a.input : fabric.exposed(r, PeerBuffer::kInput);
    fabric.set_source(group, r, input + mine.offset);
  }
  group.sync();
  void* output[1] = {a.output};
  math.reduce(group, output, 1, fabric.sources(), static_cast<unsigned>(p), mine.bytes, true,
              fabric.streaming(mine.bytes) ? 1 : 0);
  fabric.close_exposure(group);
}

}  // namespace sluice
