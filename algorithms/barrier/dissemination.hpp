// Barrier by dissemination: in step s, tell one partner at distance 2^s and hear from the other.
//
// Cost: ceil(log2 p) alpha; p log2 p lines in all where the packet barrier reads p^2. Needs: links.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/partners.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

template <ThreadGroup Group, class Fabric, class Math>
SLUICE_FN void barrier_dissemination(const Group& group, Fabric& fabric, const Math&,
                                     const Arguments&) {
  const Partners partners = Partners::of(fabric);
  for (std::int32_t distance = 1; distance < fabric.size(); distance *= 2) {
    // A message has at least one byte.
    const std::byte told{1};
    std::byte heard;
    fabric.send(group, partners.receiver(distance), &told, 1);
    fabric.receive_copy(group, partners.sender(distance), &heard, 1);
  }
}

}  // namespace sluice
