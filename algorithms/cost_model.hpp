// What the cost functions of the catalogue are made of.
#pragma once

namespace sluice {

/// Figures of the links among the ranks of one host, measured when a communicator is made
/// (src/communicator/calibrate.cpp). Times in nanoseconds, a byte's on one core.
struct CostModel {
  double alpha = 100;            // a flag from one core to another
  double packet_write = 0.10;    // a byte written to lines that a peer has read
  double packet_read = 0.08;     // a byte read from lines that a peer has just written
  double stage_write = 0.06;     // a byte into the stage, in the quicker of the two ways
  double stage_read = 0.08;      // a byte from a peer's stage, written that way
  bool stage_streaming = false;  // that way is past the caches
  double cached_byte =
      0.03;  // a byte copied or added between buffers that fit in the last-level cache
  double memory_byte = 0.12;  // a byte copied in memory with all cores at it
  double cache_bytes = 8e6;   // of the last-level cache, one rank's share
  bool streaming_pays_early =
      false;  // outputs are quicker to write past the caches well before they outgrow them
  double attach_alpha = 700;  // a cross-memory attach of any size
  double attach_byte = 0.10;  // a byte of it
  double ranks_per_core = 1;  // ranks that share a core take turns
  double turn = 1200;         // from one of them to the next
  double hosts = 1;
  double network_alpha = 0;  // a signal to another host
  double network_byte = 0;   // a byte to another host
  bool attached = false;     // ordinary buffers are reached by attach rather than mapped

  /// One synchronisation, with the call around it.
  constexpr double step() const {
    return ranks_per_core > 1 ? (alpha + 20 + turn) * ranks_per_core : alpha + 20;
  }
  /// One message of n bytes to another host, with all that its ranks send at the same time. Most of
  /// its latency is the kernel's work on a core, so ranks that share one add theirs up.
  constexpr double across(double n) const { return work(network_alpha) + n * network_byte; }
  /// Work of `ns` on one core.
  constexpr double work(double ns) const { return ns * ranks_per_core; }
  /// One core's pass over n bytes of its own when `footprint` bytes are in use by the rank.
  constexpr double pass(double n, double footprint) const {
    return work(n * (footprint > cache_bytes ? memory_byte : cached_byte));
  }
  /// What n bytes of a pass cost in memory, besides what they cost in cache.
  constexpr double beyond(double n, double footprint) const {
    return footprint > cache_bytes ? work(n * memory_byte) : 0;
  }
  constexpr double to_stage(double n) const { return work(n * stage_write); }
  constexpr double from_stage(double n) const { return work(n * stage_read); }
  /// A copy of n bytes from or to a peer's own buffer.
  constexpr double reach(double n, double footprint) const {
    if (attached) return work(attach_alpha + n * attach_byte) + beyond(n, footprint);
    return work(n * packet_read) + beyond(n, footprint);
  }
  static constexpr double log2_ceil(double p) {
    double steps = 0;
    for (double reached = 1; reached < p; reached *= 2) ++steps;
    return steps;
  }
};

}  // namespace sluice
