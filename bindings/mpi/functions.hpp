// The functions that are handled, as numbers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::mpi {

enum class Function : std::uint8_t {
#define SLUICE_MPI_FUNCTION(name) k##name,
#define SLUICE_MPI_COUNTED(name) k##name, k##name##_c,
#include "bindings/mpi/functions.inc"
  kCount
};

inline constexpr std::size_t kFunctions = static_cast<std::size_t>(Function::kCount);
constexpr std::size_t index_of(Function function) { return static_cast<std::size_t>(function); }

/// Without "MPI_".
const char* name_of(Function function);

/// The same function with counts of 64 bits: in functions.inc it follows.
constexpr Function counted(Function function) {
  return static_cast<Function>(index_of(function) + 1);
}

/// The names that each function has: what a program calls, and what a tool on MPI's profiling
/// interface forwards to.
enum Name : std::uint8_t { kMpi, kPmpi, kNames };

}  // namespace sluice::mpi
