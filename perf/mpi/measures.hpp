// The measurements, of one rank and between two. Each prints a line for each case.
#pragma once

#include "cases.hpp"
#include "measuring.hpp"

namespace mpi_perf {

/// Pack and unpack: memcpy of the packed bytes, the loop by hand, the library, what the program
/// sees.
void measure_packing(const Setting& setting, const Case& each);
/// What a call costs that does nothing, through the interposer and without it.
void measure_calls(const Setting& setting);
/// Packs, so that the interposer's report names the kernel.
void pack_once(const Case& each);

/// Half a round trip.
void measure_messages(const Setting& setting, const Case& each);
/// A message each way, of two each way that are started before any is waited for: as halos are.
void measure_exchanges(const Setting& setting, const Case& each);
/// One of four messages of a rank to itself, as halos have them: all are started before any is
/// waited for, of each the receive first. Both ranks do so: with one rank alone a library may send
/// them another way.
void measure_self(const Setting& setting, const Case& each);
/// Half of a broadcast of each rank.
void measure_broadcasts(const Setting& setting, const Case& each);
void measure_halos(const Setting& setting);

}  // namespace mpi_perf
