// From what MPI says of how a datatype was made, its layout.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bindings/mpi/abi.hpp"
#include "datatype/layout.hpp"

namespace sluice::mpi {

/// The arguments of a constructor, in our numbers.
struct Contents {
  Combiner combiner = Combiner::kUnknown;
  /// Counts, block lengths, then strides, displacements or bounds: MPI's large counts, or its
  /// integers and then its addresses, which is the same order. For subarrays sizes, subsizes,
  /// starts; for distributed arrays the global sizes.
  std::vector<std::int64_t> numbers;
  // As the library has them: it rounds the extent of structs, and Open MPI that of other types, up
  // to what their parts are aligned to.
  std::int64_t lower_bound = 0;
  std::int64_t extent = 0;
  datatype::ArrayOrder order = datatype::ArrayOrder::kC;
  // Of distributed arrays only.
  std::int64_t processes = 0;
  std::int64_t rank = 0;
  std::vector<datatype::DistributedDimension> dimensions;
  std::vector<datatype::LayoutPtr> olds;
};

/// Null where the numbers make no type.
datatype::LayoutPtr layout_of(const Contents& contents);

/// The layout with the bounds that the library gives the type; null stays null.
datatype::LayoutPtr with_bounds(datatype::LayoutPtr layout, const Contents& contents);

/// Of a predefined type: those of pairs have a gap between or behind their parts. Null where size
/// and extent are not of any that MPI has.
datatype::LayoutPtr layout_of_named(std::int64_t size, std::int64_t extent);

}  // namespace sluice::mpi
