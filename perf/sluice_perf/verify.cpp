#include "sluice_perf/verify.hpp"

#include <algorithm>
#include <cstring>

namespace sluice::perf {
namespace {

constexpr std::byte kUntouched{0xa5};

Pattern pattern_of(const Cell& cell, int source, bool as_input) {
  const std::size_t length_elems = cell.work.size_elems;
  if (!reduces(cell.work.shape.collective))
    return arbitrary_bits(source, size_in_bytes(cell.type), length_elems);
  const ReductionData data(cell.type, cell.op, cell.work.shape.ranks);
  return as_input ? data.input(source, length_elems) : data.expected(length_elems);
}

std::uint64_t count_changed_guard(const std::byte* guard) {
  return static_cast<std::uint64_t>(std::count_if(guard, guard + Buffers::kGuardBytes,
                                                  [](std::byte b) { return b != kUntouched; }));
}

std::uint64_t count_wrong_segments(const Cell& cell, const std::byte* buffer, bool as_input) {
  std::uint64_t wrong = 0;
  for (const Segment& segment : as_input ? cell.work.input : cell.work.expected) {
    if (segment.count == 0) continue;
    const Pattern pattern = pattern_of(cell, segment.source, as_input);
    wrong += pattern.count_wrong(buffer + segment.at_elems * size_in_bytes(cell.type),
                                 segment.first, segment.count);
  }
  return wrong;
}

}  // namespace

std::byte* Cell::place_input(std::byte* input_buffer, std::byte* output_buffer) const {
  return in_place ? output_buffer + work.in_place_input_at * size_in_bytes(type) : input_buffer;
}
std::byte* Cell::place_output(std::byte* output_buffer) const {
  return output_buffer + (in_place ? work.in_place_output_at * size_in_bytes(type) : 0);
}
std::size_t Cell::output_bytes() const {
  const std::size_t elems = in_place ? std::max(work.in_place_input_at + work.input_elems,
                                                work.in_place_output_at + work.output_elems)
                                     : work.output_elems;
  return elems * size_in_bytes(type);
}
Reduction Cell::reduction() const {
  if (!reduces(work.shape.collective)) return ReduceOp::kSum;
  return ReductionData(type, op, work.shape.ranks).reduction(work.shape.rank);
}

void fill(const Cell& cell) {
  std::memset(cell.buffers.output(), static_cast<int>(kUntouched),
              cell.output_bytes() + Buffers::kGuardBytes);
  std::memset(cell.buffers.input() + cell.input_bytes(), static_cast<int>(kUntouched),
              Buffers::kGuardBytes);
  for (const Segment& segment : cell.work.input) {
    if (segment.count == 0) continue;
    const Pattern pattern = pattern_of(cell, segment.source, true);
    pattern.fill(cell.input() + segment.at_elems * size_in_bytes(cell.type), segment.first,
                 segment.count);
  }
}

std::uint64_t count_wrong(const Cell& cell) {
  std::uint64_t wrong = count_wrong_segments(cell, cell.output(), false);
  wrong += count_changed_guard(cell.buffers.output() + cell.output_bytes());
  if (!cell.in_place) wrong += count_changed_guard(cell.buffers.input() + cell.input_bytes());
  if (!cell.in_place || cell.work.output_elems == 0)
    wrong += count_wrong_segments(cell, cell.input(), true);
  return wrong;
}

}  // namespace sluice::perf
