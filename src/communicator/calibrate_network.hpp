// Measuring the network between two hosts when a communicator is made.
#pragma once

#include "channel/memory_channel.hpp"
#include "channel/rank_view.hpp"
#include "channel/segment.hpp"
#include "channel/wait.hpp"

namespace sluice {

/// Plain data, sent to the others as it is. Nanoseconds; 0: not measured by this rank.
struct NetworkFigures {
  double alpha = 0;  // a signal, one way
  double byte = 0;   // a byte put, one way
};

/// Two ranks on different hosts call it with each other, for some milliseconds; the first one's
/// figures count. `segment`: this rank's, which nothing else may be using. Once in the life of a
/// segment, or again after both have called forget_measurement() and have told each other so.
NetworkFigures measure_network(bool first, int other, Window segment, const SegmentLayout& layout,
                               WaitState& waits, const RemoteSegments& segments);

void forget_measurement(Window segment);

}  // namespace sluice
