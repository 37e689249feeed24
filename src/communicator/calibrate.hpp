// Measuring the links among the ranks of a host when a communicator is made.
#pragma once

#include <cstdint>

#include "algorithms/cost_model.hpp"
#include "channel/memory_channel.hpp"
#include "channel/segment.hpp"
#include "channel/wait.hpp"
#include "communicator/peer_memory.hpp"

namespace sluice {

/// Nanoseconds a byte.
struct CopyTimes {
  double write = 0;  // copied to where a peer reads it
  double read = 0;   // copied from where a peer has just written it
};

/// What one rank found; plain data, sent to the others as it is. Nanoseconds; 0: not measured by
/// this rank.
struct LinkFigures {
  double alpha = 0;           // a flag, one way
  CopyTimes hot_lines;        // through lines that the reader still has from the last time
  CopyTimes stage;            // round a stage
  CopyTimes stage_streaming;  // the same, written past the caches
  double copy_cached = 0;     // a byte copied between buffers that fit in a last-level cache only
  double copy_streaming = 0;  // the same with the output past the caches
  double attach_alpha = 0;
  double attach_byte = 0;
};

/// Ranks 0 and 1 of a communicator measure together, for a few milliseconds; the others return at
/// once. `segments`: those of rank 0 and rank 1, which nothing else may be using. `attach`: how to
/// read the other one's memory; without functions where that is not possible.
LinkFigures measure_links(int rank, const Window (&segments)[2], const SegmentLayout& layout,
                          WaitState& waits, const PrivateMemory& attach);

/// Puts the figures of ranks 0 and 1 into the model; the same on every rank.
void apply(const LinkFigures& one, const LinkFigures& other, CostModel& model);

}  // namespace sluice
