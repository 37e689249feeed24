// One rank's run: joins the job, measures every cell, reports on rank 0.
#pragma once

#include <optional>

#include "sluice/unique_id.hpp"
#include "sluice_perf/options.hpp"

namespace sluice::perf {

inline constexpr int kUnknownRank = -1;

/// Where this rank stands. Without an id the launcher's environment says it.
struct Place {
  std::optional<UniqueId> id;
  int rank = 0;
  int ranks = 1;
  int threads = 1;  // ranks in each process

  /// kUnknownRank before the launcher's environment has said it.
  int known_rank() const { return id ? rank : kUnknownRank; }
};

/// Prints the last error of a rank; the exit code.
int report_error(int rank, Status status);

/// The exit code: 0, or 1 after an error (printed) or a wrong result. The same work on every rank.
int run_rank(const CommandLine& line, const Place& place);

}  // namespace sluice::perf
