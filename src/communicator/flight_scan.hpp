// Finding the segments of all ranks on this host, from outside, by what /proc shows.
//
// A segment is an anonymous file (memfd) named by kSegmentLabel that its owner, and the peers on
// its host, hold open. Whoever may look at a process's descriptors (its user, or root) may open it
// again and map its header read-only. Nothing is written, nothing is sent, nobody is stopped.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "communicator/flight_reader.hpp"

namespace sluice {

/// A process, as /proc tells.
struct ProcessSight {
  pid_t pid = 0;
  std::string command;
  char state =
      '?';  // the kernel's letter: R running, S sleeping, D on a device, T stopped, t traced

  bool stopped() const { return state == 'T' || state == 't'; }
};

struct SeenRank {
  RankFlight flight;
  std::optional<ProcessSight> process;  // none when it has ended: peers still hold its segment
};

struct SeenCommunicator {
  std::uint64_t id = 0;
  std::int32_t ranks = 0;
  std::vector<SeenRank> seen;  // by rank; those on other hosts or of other users are missing
};

struct FlightScan {
  std::uint64_t at_ns = 0;  // CLOCK_MONOTONIC
  std::vector<SeenCommunicator> communicators;
  std::vector<std::string> skipped;  // a sentence each
};

/// Looks at all processes that this one may look at. With `only`: keeps the communicators that this
/// process has a rank in, and mentions it in `skipped` when it may not be looked at.
FlightScan scan_flights(std::optional<pid_t> only = std::nullopt);

}  // namespace sluice
