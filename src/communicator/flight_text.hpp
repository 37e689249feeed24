// What was read from outside, as sentences.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "communicator/flight_scan.hpp"

namespace sluice {

/// How long the wait has lasted, in seconds.
double seconds_of(const WaitNote& wait, std::uint64_t now_ns);
/// "4.2 s", "35 ms".
std::string duration_text(double seconds);

/// What is waited for, and how far it has come: "results of #12, step 3 (now #12, step 2)".
std::string awaited(const WaitNote& wait, std::int32_t ranks);

/// Where a rank is: "in all_reduce #12 (count 1024, float, sum), step 1".
std::string whereabouts(const RankFlight& flight);

/// Its wait: "waits 4.2 s for rank 3: packets of #12"; empty when it is in none.
std::string wait_text(const RankFlight& flight, std::uint64_t now_ns);

/// Who holds the others up: "rank 3 is late: it has not begun all_reduce #12 (idle since ...); 3
/// ranks wait for it, the longest for 4.2 s". One sentence for each rank, or circle of ranks, that
/// others wait for; whom most wait for comes first. Where nobody waits: which ranks cannot go on.
std::vector<std::string> verdict(const SeenCommunicator& communicator, std::uint64_t now_ns);

}  // namespace sluice
