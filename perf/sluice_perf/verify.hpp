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

  /// Where the call's data are on the host. In place both point into the output buffer.
  std::byte* input() const { return place_input(buffers.input(), buffers.output()); }
  std::byte* output() const { return place_output(buffers.output()); }
  /// What the call gets: the same places, on the device where the buffers are.
  std::byte* call_input() const {
    return place_input(buffers.device_input(), buffers.device_output());
  }
  std::byte* call_output() const { return place_output(buffers.device_output()); }
  /// From the start of each buffer, what the call may read or write; the guard follows.
  std::size_t input_bytes() const { return work.input_elems * size_in_bytes(type); }
  std::size_t output_bytes() const;
  /// This rank's operator.
  Reduction reduction() const;

  std::byte* place_input(std::byte* input_buffer, std::byte* output_buffer) const;
  std::byte* place_output(std::byte* output_buffer) const;
};

/// Writes this rank's input, and a value that no result has much of over the output and the guards.
void fill(const Cell& cell);

/// Counts elements of the output that are not what they must be, bit by bit, changed elements of
/// the input (out of place, or where the call has no output), and changed guard bytes behind both.
std::uint64_t count_wrong(const Cell& cell);

}  // namespace sluice::perf
