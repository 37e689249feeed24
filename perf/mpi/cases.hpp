// What is measured: datatypes as applications have them, each with the loop that a programmer would
// write by hand.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace mpi_perf {

/// Moves all elements between the user's buffer and a packed one.
using Loop = std::function<void(std::byte* user, std::byte* packed)>;

struct Case {
  std::string name;
  MPI_Datatype type = MPI_DATATYPE_NULL;
  int count = 1;
  std::int64_t bytes = 0;       ///< packed
  std::int64_t span_bytes = 0;  ///< of the user's buffer, from the address that MPI gets
  Loop pack;
  Loop unpack;
  bool in_messages = false;  ///< also measured between ranks, not only packed
};

/// All of them, committed. Names say what they are: docs/performance/mpi.md.
std::vector<Case> all_cases();

/// The types of a halo exchange: what is sent to, and received from, the neighbour in direction (x,
/// y, z).
struct HaloTypes {
  MPI_Datatype send, receive;
  int x, y, z;
};
/// Of a box of n^3 doubles with `halo` more on each side; 6 or 26 neighbours.
std::vector<HaloTypes> halo_types(int n, int halo, int neighbours);

}  // namespace mpi_perf
