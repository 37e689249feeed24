// Runs a body as every rank of a communicator: as threads of this process or as processes.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/sluice.hpp"

namespace sluice::test {

/// What one rank does. Returns what went wrong; empty when nothing did.
using Body = std::function<std::string(Communicator&)>;

/// A rank's text for a Status: empty when ok, else the code and the sentence.
std::string text_of(const Status& status);

/// Runs `body` on `ranks` threads of one communicator. Returns one line for each rank that had
/// something to say. A rank that fails aborts the communicator, so the others end too. `hosts`: as
/// in Launch.
std::string spawn_threads(int ranks, const Body& body, const Options& options = {},
                          const std::vector<int>& hosts = {});

/// The transports for ranks that are threads. Not "shm" under the thread sanitizer: it knows memory
/// by its address, and cannot follow a flag through a segment that is mapped twice.
std::vector<std::string> thread_transports();

/// Puts the process that calls it where the rank is to run.
using Place = std::function<void(int rank)>;

struct Launch {
  Options options;
  std::vector<std::pair<std::string, std::string>> environment;  // set in the ranks' processes
  std::vector<int> hosts;             // by rank: those with one number share memory; empty: all do
  std::chrono::seconds deadline{60};  // then all are killed, and who hung is named
  Place place;  // called first in each rank's process; where rank 0 runs, the ranks meet
};

/// spawn_threads() with a process for each rank. The calling process must have no other thread. The
/// processes are forks, so `body` sees copies of the test's variables; they die with the caller.
std::string spawn_processes(int ranks, const Body& body, const Launch& launch = {});

}  // namespace sluice::test
