#include "sluice_perf/machine.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>

#include <algorithm>
#include <vector>

#include "topology/host.hpp"

namespace sluice::perf {
namespace {

/// As the process was started: a pinned thread's own mask has only one core left.
const std::vector<int>& cores() {
  static const std::vector<int> all = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<int> found;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
      for (int core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &set)) found.push_back(core);
    }
    if (found.empty()) found.push_back(0);
    return found;
  }();
  return all;
}

}  // namespace

std::string host_name() {
  utsname system{};
  return uname(&system) == 0 ? system.nodename : "unknown";
}

std::string describe_machine() {
  utsname system{};
  if (uname(&system) != 0) return topology::cpu_model();
  return fmt::format("{}, {} {} {}", topology::cpu_model(), system.sysname, system.release,
                     system.machine);
}

int usable_cores() { return static_cast<int>(cores().size()); }

int default_ranks() { return std::clamp(usable_cores(), 2, 16); }

bool pin_to_core(int index) {
  const std::vector<int>& all = cores();
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<unsigned>(all[static_cast<std::size_t>(index) % all.size()]), &set);
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

}  // namespace sluice::perf
