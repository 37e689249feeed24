#pragma once

#include <chrono>

namespace mpi_perf {

/// A clock that only goes forward.
inline double now_us() {
  return std::chrono::duration<double, std::micro>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace mpi_perf
