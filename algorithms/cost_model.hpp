// What the cost functions of the catalogue are made of.
#pragma once

#include <cstdint>

namespace sluice {

/// Figures of the links among the ranks of one host. Times in nanoseconds.
struct CostModel {
  double alpha = 100;           // a flag from one core to another, with the work around it
  double line_byte = 0.10;      // a byte through packets: written, seen, unpacked
  double cached_byte = 0.05;    // a byte of a copy whose ends are in cache, on one core
  double memory_byte = 0.12;    // a byte of a copy in memory, all cores at it
  double cache_bytes = 8e6;     // of last-level cache, one rank's share
  double attach_alpha = 700;    // a cross-memory attach of any size
  double attach_byte = 0.10;    // a byte of it beyond a plain copy's (page table walks)
  double ranks_per_core = 1;    // a step waits for its turn on the core when there are several
  bool attached = false;        // ordinary buffers are reached by attach rather than mapped

  constexpr double step() const { return alpha * ranks_per_core; }
  /// One core's pass over n bytes when `footprint` bytes are in use by the rank.
  constexpr double pass(double n, double footprint) const {
    return n * ranks_per_core * (footprint > cache_bytes ? memory_byte : cached_byte);
  }
  /// A copy of n bytes from a peer's own buffer.
  constexpr double reach(double n, double footprint) const {
    return attached ? ranks_per_core * (attach_alpha + n * attach_byte) + pass(n, footprint) : pass(n, footprint);
  }
  static constexpr double log2_ceil(double p) {
    double steps = 0;
    for (double reached = 1; reached < p; reached *= 2) ++steps;
    return steps;
  }
};

}  // namespace sluice
