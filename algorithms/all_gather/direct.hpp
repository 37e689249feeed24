// All-gather from the users' own buffers: everybody fetches the others' inputs. One copy.
//
// Cost: 2 alpha + n beta. Needs: every rank's input within reach (mapped, one process, or
// cross-memory attach).
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "channel/copy.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void all_gather_direct(const Group& group, Fabric& fabric, const Math&,
                                 const Arguments& a) {
  const Range mine = a.blocks[fabric.rank()];
  for (std::int32_t i = 1; i < fabric.size(); ++i) {
    const std::int32_t r = fabric.neighbour(i);
    fabric.get(group, r, PeerBuffer::kInput, 0, a.output + a.blocks[r].offset, a.blocks[r].bytes);
  }
  copy(group, a.output + mine.offset, a.input, mine.bytes, fabric.streaming(a.blocks.total()));
  fabric.close_exposure(group);
}

}  // namespace sluice
