// Starting the ranks of a run: as processes, as threads, or as the one rank that a launcher has
// started.
#pragma once

#include "sluice_perf/options.hpp"

namespace sluice::perf {

/// Runs all ranks of this process to their end; the exit code. Must be called before any thread
/// exists.
int run_ranks(const CommandLine& line);

}  // namespace sluice::perf
