// What is where in one rank's buffers for a Case.
#pragma once

#include <cstdint>
#include <vector>

#include "support/collective_case.hpp"

namespace sluice::test {

/// `count` elements at element `at` of a buffer, which are elements first, first + 1, ... of
/// `tile`.
struct Piece {
  std::uint64_t at;
  TilePointer tile;
  std::uint64_t first;
  std::uint64_t count;
};

struct CaseLayout {
  std::uint64_t input_elems = 0;
  std::uint64_t output_elems = 0;
  std::vector<Piece> input;   // what it holds
  std::vector<Piece> output;  // what it must hold afterwards; the rest stays as it was
  bool has_in_place = false;
  std::uint64_t input_in_output = 0;  // in place: the input's first element in the output
  std::uint64_t output_in_input = 0;  // or the other way round
  // Of the v-forms; `counts` and `displacements` are what is sent in all_to_all_v.
  std::vector<std::size_t> counts, displacements, receive_counts, receive_displacements;
};

CaseLayout layout_of(const Case& c, int rank, int ranks);

}  // namespace sluice::test
