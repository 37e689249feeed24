// The MPI library that the program uses: found and recognised at the first call. docs/mpi.md.
#pragma once

#include <array>
#include <cstdint>

#include "bindings/mpi/functions.hpp"

namespace sluice::mpi {

enum class Family : std::uint8_t { kUnknown, kOpenMpi, kMpich, kStandard };

struct Library {
  Family family = Family::kUnknown;
  const char* name = "";     ///< for people
  const char* version = "";  ///< "4.1.4"; empty when not understood
  void* handle = nullptr;
  /// What each call goes on to: the next definition of its name behind us. Null where there is
  /// none.
  std::array<std::array<void*, kFunctions>, kNames> next{};
};

/// The one that there is. Complete before any handler runs, and constant from then on; never
/// destroyed, because programs end MPI in destructors of their own.
extern constinit Library library;

/// A function of the library itself, not of a tool in front of it; null when it has none of this
/// name.
void* own_function(const char* name);

/// From now on every call goes straight on, as if we were not there.
void step_aside();

/// What we put in the place of the library's functions; null: nothing.
using Handlers = std::array<std::array<void*, kFunctions>, kNames>;
void install_open_mpi(Handlers& handlers);
void install_mpich(Handlers& handlers);
void install_standard(Handlers& handlers);

}  // namespace sluice::mpi
