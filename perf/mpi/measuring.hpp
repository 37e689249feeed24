// What all measurements share: the two sets of functions that are compared, samples in turn, and
// the lines that are printed.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpu_memory.hpp"

namespace mpi_perf {

struct Options {
  std::string what;
  std::vector<std::string> parts;  ///< cases whose name contains one of them; none: all
  int samples = 15;
  bool mixed = false;
  bool gpu = false;

  bool chooses(std::string_view name) const;
};

/// The functions that are measured: the library's own, or whatever the program sees.
struct Calls {
  decltype(&MPI_Pack) pack;
  decltype(&MPI_Unpack) unpack;
  decltype(&MPI_Send) send;
  decltype(&MPI_Recv) receive;
  decltype(&MPI_Isend) start_send;
  decltype(&MPI_Irecv) start_receive;
  decltype(&MPI_Waitall) wait_all;
  decltype(&MPI_Test) test;
  decltype(&MPI_Bcast) broadcast;
};

/// Those that the program sees, and those of the library, found through its handle.
extern const Calls kSeen;
Calls own_calls();

/// What one run is about.
struct Setting {
  Options options;
  Calls own;
  int rank = 0;
  const Gpu* gpu = nullptr;  ///< in whose memory users' buffers are; null: in the host's
  /// Whether the library itself can be given those buffers.
  bool own_can = true;
};

/// A user's buffer, filled with something.
class UserMemory {
 public:
  UserMemory(const Setting& setting, std::int64_t bytes);
  void* data() const;

 private:
  std::vector<std::byte> host_;
  std::unique_ptr<GpuMemory> gpu_;
};
std::vector<std::byte> filled(std::int64_t bytes);

struct Method {
  const char* name;
  std::function<void()> run;
};

/// The medians of samples that go round all methods; a sample lasts some tens of microseconds at
/// least.
std::vector<double> interleaved(const std::vector<Method>& methods, int samples);
/// The same by a schedule that both ranks follow; times are rank 0's.
std::vector<double> interleaved_ranks(const std::vector<Method>& methods, int samples);

/// A line of JSON. `share`: of each time, what belongs to the case.
void print_row(const Options& options, const std::string& name, std::int64_t bytes,
               const std::vector<Method>& methods, const std::vector<double>& times_us,
               double share = 1);

}  // namespace mpi_perf
