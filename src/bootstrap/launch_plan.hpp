// The pure part of launch_from_environment(): variables in, numbers and texts out. Tested with
// tables.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "sluice/status.hpp"

namespace sluice::bootstrap {

struct LaunchSource {
  /// A variable's text; nothing when unset or empty.
  std::function<std::optional<std::string>(const char* name)> variable;
  /// Identifies the process that started the ranks of this host ("pid:start time"), the same for
  /// all of them.
  std::function<std::string()> launcher_process;
};

struct LaunchPlan {
  int rank = 0;
  int size = 1;
  int local_rank = 0;
  int local_size = 1;
  std::string launcher;
  std::string host;  // of rank 0, name or number
  std::uint16_t port = 0;
  std::string secret_text;  // what the secret is made from
  bool secret_is_weak = false;
};

/// Size 1 by "none" when no launcher is recognised. A plan of one rank has neither host, port nor
/// secret.
Result<LaunchPlan> plan_launch(const LaunchSource& source);

/// The first host of a Slurm list: "rack[03-07,9]n[1-2],login" gives "rack03n1".
std::string first_slurm_host(const std::string& list);

/// The first TCP address in Open MPI's "jobid;tcp://10.0.0.1,10.1.0.1:4711;tcp6://[fd00::2]:815";
/// empty if none.
std::string first_open_mpi_host(const std::string& uri);

}  // namespace sluice::bootstrap
