// What every mover must do, checked against a walk over the blocks that knows nothing of kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "datatype/movers.hpp"
#include "datatype/shape.hpp"

namespace sluice::datatype::test {

/// A shape and what its spans show.
struct OwnedShape {
  Leaf leaf = Leaf::kBlock;
  std::int64_t offset = 0;
  std::int64_t block_bytes = 0;
  std::vector<Dimension> dimensions;
  std::vector<Block> fields;
  std::vector<std::int64_t> offsets;

  Shape view() const;
  std::string describe() const;
};

OwnedShape rows(std::int64_t block_bytes, std::vector<Dimension> dimensions);
OwnedShape record(std::vector<Block> fields, std::vector<Dimension> dimensions);
OwnedShape indexed(std::int64_t block_bytes, std::vector<std::int64_t> offsets,
                   std::vector<Dimension> dimensions);
OwnedShape ragged(std::vector<Block> fields, std::vector<Dimension> dimensions);

/// The blocks in packed order, from the address that the user passes.
std::vector<Block> blocks_of(const Shape& shape, std::int64_t outer_count);

/// Packs and unpacks at both ends of guarded memory and compares every byte: of the packed form, of
/// the blocks, and of what lies around and between them. Unpacks only where blocks do not overlap.
/// Fails the test of the caller.
void check_movers(const Movers& movers, const OwnedShape& shape, std::int64_t outer_count);

/// The same with the movers that are chosen on each instruction set of this processor, and the
/// plainest one that the library is compiled for.
void check_all_sets(const OwnedShape& shape, std::int64_t outer_count);

}  // namespace sluice::datatype::test
