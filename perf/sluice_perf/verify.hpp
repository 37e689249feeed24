// Filling the buffers of one cell with test data, and counting what came out wrong.
#pragma once

#include <cstdint>

#include "sluice_perf/buffers.hpp"
#include "sluice_perf/data.hpp"
#include "sluice_perf/workload.hpp"

namespace sluice::perf {

/// One rank's side of one cell of the table: a collective, a size, a type, in place or not.
struct Cell {
  const Workload& work;
  DataType type;
  ReduceOp op;  // of reductions
  bool in_place;
  const Buffers& buffers;

  /// What the call gets. In place both point into the output buffer.
  std::byte* input() const;
  std::byte* output() const;
  /// This rank's operator.
  Reduction reduction() const;
};

/// Writes this rank's input, and a value that no result has much of over the output and the guards.
void fill(const Cell& cell);

/// Counts elements of the output that are not what they must be, bit by bit, changed elements of
/// the input (out of place, or where the call has no output), and changed guard bytes behind both.
std::uint64_t count_wrong(const Cell& cell);

}  // namespace sluice::perf
