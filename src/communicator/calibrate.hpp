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

/// The two ranks of a host that measure, in this order.
struct MeasuringPair {
  int ranks[2];
  Window segments[2];  // which nothing else may be using
};

/// Both ranks of the pair call it, for a few milliseconds; `side` is which of them this is.
/// `attach`: how to read the other one's memory; without functions where that is not possible.
LinkFigures measure_links(int side, const MeasuringPair& pair, const SegmentLayout& layout,
                          WaitState& waits, const PrivateMemory& attach);

/// Puts the figures of the pair into the model; the same on every rank.
void apply(const LinkFigures& one, const LinkFigures& other, CostModel& model);

}  // namespace sluice
