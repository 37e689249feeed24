// The families of movers, each chosen for the best instruction set of this processor.
// docs/datatypes.md, Kernels.
#pragma once

#include "datatype/movers.hpp"

namespace sluice::datatype {

/// Leaf::kBlock, whatever the dimensions.
Movers row_movers(const Shape& shape);
/// Leaf::kBlock where a dimension outside the innermost one has the smaller stride; null movers
/// where that is not so, or blocking would not pay.
Movers transpose_movers(const Shape& shape);
/// Leaf::kRecord
Movers record_movers(const Shape& shape);
/// Leaf::kIndexed and Leaf::kRagged
Movers list_movers(const Shape& shape);

}  // namespace sluice::datatype
