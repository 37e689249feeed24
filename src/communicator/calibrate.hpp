// Measuring the links among the ranks of a host when a communicator is made.
#pragma once

#include <cstdint>

#include "algorithms/cost_model.hpp"
#include "channel/memory_channel.hpp"
#include "channel/segment.hpp"
#include "channel/wait.hpp"
#include "communicator/peer_memory.hpp"

namespace sluice {

/// What one rank found; plain data, sent to the others as it is. Nanoseconds; 0: not measured by
/// this rank.
struct LinkFigures {
  double alpha = 0;            // a flag, one way
  double write_line = 0;       // a byte copied to the stage, whose lines a peer has read
  double write_streaming = 0;  // the same past the caches
  double read_line = 0;        // a byte copied from a stage that a peer has just written
  double read_streamed = 0;    // the same when it was written past the caches
  double copy_cached = 0;      // a byte copied between buffers that fit in a last-level cache only
  double copy_streaming = 0;   // the same with the output past the caches
  double attach_alpha = 0;
  double attach_byte = 0;
};

/// Ranks 0 and 1 of a communicator measure together, for a few milliseconds; the others return at
/// once. `segments`: those of rank 0 and rank 1, which nothing else may be using.
LinkFigures measure_links(int rank, const Window (&segments)[2], const SegmentLayout& layout,
                          WaitState& waits);

/// Adds what it costs to read rank 0's memory at `address` (64 KiB there) by cross-memory attach.
void measure_attach(const PrivateMemory& attach, std::uint64_t address, LinkFigures& figures);

/// Puts the figures of ranks 0 and 1 into the model; the same on every rank.
void apply(const LinkFigures& one, const LinkFigures& other, CostModel& model);

}  // namespace sluice
