// Starting the ranks of a run: as processes, as threads, or as the one rank that a launcher has
// started.
#pragma once

#include <functional>

#include "sluice_perf/options.hpp"
#include "sluice_perf/session.hpp"

namespace sluice::perf {

/// What one rank does; the exit code.
using RankBody = std::function<int(const Place& place)>;

/// Runs `body` as each of `ranks` processes, or threads of this one; the exit code. Processes are
/// forks: they must be started before any thread exists.
int run_processes(int ranks, const RankBody& body);
int run_threads(int ranks, const RankBody& body);

/// Runs all ranks of this process to their end; the exit code. Must be called before any thread
/// exists.
int run_ranks(const CommandLine& line);

}  // namespace sluice::perf
