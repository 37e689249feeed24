// One collective at one size, seen from one rank: how large the buffers are, which data goes where,
// and the call.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "sluice/algorithms.hpp"
#include "sluice/communicator.hpp"
#include "sluice/on_stream.hpp"

namespace sluice::perf {

/// A run of elements in a buffer: elements [first, first + count) of a rank's data, or of the
/// reduced data.
struct Segment {
  static constexpr int kReduced = -1;
  std::size_t at_elems;  // in the buffer
  int source;            // a rank, or kReduced
  std::size_t first;
  std::size_t count;
};

/// What a size asks for. Sizes follow nccl-tests: `bytes` is the larger whole buffer, so for an
/// all-gather over p ranks each contributes bytes / p.
struct Shape {
  Collective collective;
  int rank;
  int ranks;
  int root;
};

struct Workload {
  Shape shape;
  std::size_t count = 0;        // the count column: what is passed to the call (v-forms: the total)
  std::size_t size_elems = 0;   // the size column, in elements; no buffer of any rank is larger
  std::size_t input_elems = 0;  // of this rank; 0 where the call does not read it
  std::size_t output_elems = 0;  // of this rank; 0 where the call does not write it
  bool has_in_place = true;
  std::size_t in_place_input_at = 0;  // elements from the start of the shared buffer
  std::size_t in_place_output_at = 0;
  std::vector<Segment> input;
  std::vector<Segment> expected;
  // v-forms: the arguments of the call
  std::vector<std::size_t> counts;
  std::vector<std::size_t> displacements;
  std::vector<std::size_t> receive_counts;
  std::vector<std::size_t> receive_displacements;

  /// What algorithms' limits are about: a block, or the whole where there are none.
  std::size_t message_elems() const {
    return counts.empty() ? count : *std::max_element(counts.begin(), counts.end());
  }
};

/// `elems` is the size asked for; it is rounded to what the collective can do (a multiple of p for
/// blocks, but at least one element for each unless `elems` is 0).
Workload make_workload(const Shape& shape, std::size_t elems);

/// The call itself; on a stream it is enqueued.
Status run(const OnStream& on, const Workload& workload, const void* input, void* output,
           DataType type, const Reduction& reduction);
Status run(Communicator& communicator, const Workload& workload, const void* input, void* output,
           DataType type, const Reduction& reduction);

bool reduces(Collective collective);
bool has_root(Collective collective);
bool moves_data(Collective collective);

/// busbw = algbw * this (nccl-tests' PERFORMANCE.md).
double bus_factor(Collective collective, int ranks);

}  // namespace sluice::perf
