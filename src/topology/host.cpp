#include "topology/host.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace sluice::topology {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::uint64_t inode(const char* path) {
  struct stat status {};
  return stat(path, &status) == 0 ? status.st_ino : 0;
}

void allow(const CoreSet& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (std::size_t core = 0; core < CPU_SETSIZE && core < cores.size(); ++core)
    if (cores[core]) CPU_SET(core, &set);
  static_cast<void>(sched_setaffinity(0, sizeof set, &set));
}

}  // namespace

std::string machine_identity() { return first_line("/proc/sys/kernel/random/boot_id"); }

std::string host_identity() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  // The network namespace counts, because abstract sockets, over which memory is shared, belong to
  // one; the PID namespace, because peers are watched and read by pid.
  return fmt::format("{}/{}/{}/{}", name, machine_identity(), inode("/proc/self/ns/net"),
                     inode("/proc/self/ns/pid"));
}

std::uint64_t process_identity() {
  static const pid_t maker = getpid();
  static std::uint64_t identity = [] {
    std::uint64_t random = 0;
    if (sodium_init() >= 0) randombytes_buf(&random, sizeof random);
    return random;
  }();
  // A forked child inherits the number: the pid tells it from its parent.
  return maker == getpid()
             ? identity
             : identity ^
                   (std::uint64_t{0x9e3779b97f4a7c15} * static_cast<std::uint64_t>(getpid()));
}

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  std::string implementer, part;  // where there is no name: on Arm
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(colon + 2);
    if (line.starts_with("model name")) return value;
    if (line.starts_with("CPU implementer")) implementer = value;
    if (line.starts_with("CPU part")) part = value;
  }
  utsname system{};
  const char* machine = uname(&system) == 0 ? system.machine : "unknown";
  return fmt::format("{} processor {}/{}", machine, implementer, part);
}

int host_cores() { return static_cast<int>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN))); }

CoreSet allowed_cores() {
  CoreSet cores;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (std::size_t core = 0; core < CPU_SETSIZE && core < cores.size(); ++core)
      cores[core] = CPU_ISSET(core, &set);
  if (cores.none()) cores.set(0);
  return cores;
}

CoreBinding::CoreBinding(std::size_t index) : before_(allowed_cores()) {
  if (before_.count() < 2) return;
  std::size_t core = 0;
  for (std::size_t skip = index % before_.count(); !before_[core] || skip-- > 0;) ++core;
  allow(CoreSet().set(core));
}

CoreBinding::~CoreBinding() {
  if (before_.count() >= 2) allow(before_);
}

std::uint64_t last_level_cache_bytes() {
  for (const int name : {_SC_LEVEL4_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE, _SC_LEVEL2_CACHE_SIZE}) {
    const long bytes = sysconf(name);
    if (bytes > 0) return static_cast<std::uint64_t>(bytes);
  }
  return 8u << 20;
}

}  // namespace sluice::topology
