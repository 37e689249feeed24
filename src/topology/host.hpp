// What this process can see of its host: who shares it, how many cores there are, how large the
// caches.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice::topology {

/// Cores that a process may run on, by number.
using CoreSet = std::bitset<1024>;

/// The same for all processes that share memory with this one (host, boot and IPC reach), different
/// otherwise.
std::string host_identity();

/// The same for all processes that run on the cores of this machine, also those of other hosts in
/// the sense above (containers).
std::string machine_identity();

/// A number that no other process that ever lived on this host has, but every thread of this one.
std::uint64_t process_identity();

/// "AMD EPYC 9654": what the processor says that it is.
std::string cpu_model();

/// Cores of the host that are switched on, whoever may use them.
int host_cores();

/// The cores the calling thread may run on.
CoreSet allowed_cores();

/// Keeps the calling thread on one of its allowed cores while it lives: number `index` of them, all
/// counted round. Where the system refuses, the thread stays where it may be.
class CoreBinding {
 public:
  explicit CoreBinding(std::size_t index);
  ~CoreBinding();
  CoreBinding(const CoreBinding&) = delete;
  CoreBinding& operator=(const CoreBinding&) = delete;

 private:
  CoreSet before_;
};

/// Last-level cache reachable from one core, in bytes; 8 MiB when the system does not tell.
std::uint64_t last_level_cache_bytes();

}  // namespace sluice::topology
