// Reduce in the users' own buffers: each rank reduces its block from everybody's input into the
// root's output.
//
// Cost: 2 alpha; each rank reads n and writes n / p. Order of additions: by rank.
// Needs: every rank's input and the root's output mapped by every rank.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void reduce_direct(const Group& group, Fabric& fabric, const Math& math,
                             const Arguments& a) {
  const std::int32_t p = fabric.size(), me = fabric.rank();
  const Blocks blocks = Blocks::cut(a.count, a.elem_bytes, static_cast<std::uint64_t>(p));
  const Range mine = blocks[me];
  for (std::int32_t r = 0; r < p; ++r) {
    const std::byte* input = r == me ? a.input : fabric.exposed(r, PeerBuffer::kInput);
    fabric.set_source(group, r, input + mine.offset);
  }
  group.sync();
  std::byte* result = me == a.root ? a.output : fabric.exposed(a.root, PeerBuffer::kOutput);
  void* output[1] = {result + mine.offset};
  math.reduce(group, output, 1, fabric.sources(), static_cast<unsigned>(p), mine.bytes, true,
              fabric.streaming(a.bytes()) ? 1 : 0);
  fabric.close_exposure(group);
}

}  // namespace sluice
