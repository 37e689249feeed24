// Whom a rank's neighbourhood collectives reach.
#pragma once

#include <vector>

#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

struct Neighbors {
  int sources = 0;
  int destinations = 0;
  /// Of a grid that ends at this rank: from these nothing comes, and what is there for it stays as
  /// it is.
  std::vector<bool> silent;
};

/// False where the communicator has no topology.
template <class A>
bool neighbors_of(typename A::Handle comm, int rank, Neighbors& found) {
  int topology = A::kUndefined;
  if (invoke(own_calls().topo_test, comm, &topology) != kSuccess) return false;
  if (topology == A::kGraph) {
    if (invoke(own_calls().graph_neighbors_count, comm, rank, &found.sources) != kSuccess)
      return false;
    found.destinations = found.sources;
  } else if (topology == A::kDistGraph) {
    int weighted = 0;
    if (invoke(own_calls().dist_graph_neighbors_count, comm, &found.sources, &found.destinations,
               &weighted) != kSuccess)
      return false;
  } else if (topology == A::kCart) {
    int dimensions = 0;
    if (invoke(own_calls().cartdim_get, comm, &dimensions) != kSuccess) return false;
    found.sources = found.destinations = 2 * dimensions;
    found.silent.resize(static_cast<std::size_t>(found.sources));
    for (int each = 0; each < dimensions; ++each) {
      int below = A::kProcNull, above = A::kProcNull;
      if (invoke(own_calls().cart_shift, comm, each, 1, &below, &above) != kSuccess) return false;
      found.silent[static_cast<std::size_t>(2 * each)] = below == A::kProcNull;
      found.silent[static_cast<std::size_t>(2 * each + 1)] = above == A::kProcNull;
    }
    return true;
  } else {
    return false;
  }
  found.silent.resize(static_cast<std::size_t>(found.sources));
  return true;
}

}  // namespace sluice::mpi
