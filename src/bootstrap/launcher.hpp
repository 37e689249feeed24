// Who am I, of how many, and where is rank 0: read from the environment that a launcher gives.
#pragma once

#include <string>

#include "sluice/status.hpp"
#include "sluice/unique_id.hpp"

namespace sluice {

struct LaunchInfo {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // among the ranks of this host; -1 where the launcher does not say
  int local_size = 1;  // -1 where the launcher does not say
  UniqueId id;
  std::string launcher;  // "SLUICE_RANK", "torchrun", "Open MPI", "MPICH", "Slurm", "none"
};

/// Asks, in this order: SLUICE_RANK/SLUICE_SIZE, torchrun, Open MPI, MPICH (PMI), Slurm; without
/// any of them one rank. docs/bootstrap.md lists the variables. The same id on every rank, without
/// communication; rank 0 serves. Errors: kInvalidUsage naming the variable and its text;
/// kSystemError (a host that cannot be resolved).
Result<LaunchInfo> launch_from_environment();

}  // namespace sluice
