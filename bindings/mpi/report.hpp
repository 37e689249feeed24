// What SLUICE_MPI_REPORT=1 prints when MPI ends.
#pragma once

#include <cstdint>

#include "bindings/mpi/functions.hpp"

namespace sluice::mpi::report {

/// Why a call was passed on.
enum class Reason : std::uint8_t {
  kContiguous,
  kTable,
  kType,
  kEmpty,
  kLarge,
  kDevice,
  kMemory,
  kArguments,
  kNested,
  kCount
};

/// Whether anything is counted. Constant from the first call on.
extern bool on;

/// `mover`: the kernel's name, which must live as long as the process.
void accelerated(Function function, std::int64_t bytes, const char* mover);
void passed(Function function, Reason reason);

/// To stderr. `rank` is below zero where there is none.
void print(int rank);

}  // namespace sluice::mpi::report
