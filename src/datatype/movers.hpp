// The kernels that pack and unpack, and which one moves a shape. docs/datatypes.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "datatype/shape.hpp"

namespace sluice::datatype {

/// Moves all of a shape between `user`, the address that the user passes (the shape's offsets count
/// from it), and `packed`, where its bytes lie one behind the other. `outer_count` stands for
/// dimensions[0].count, so that the kernel chosen for a type serves any number of elements. No
/// alignment is asked of either side. The two sides do not overlap. Packing reads nothing but the
/// blocks (and never past a block into an unmapped page); unpacking writes nothing but the blocks:
/// bytes between them keep their values even while other threads write them. Thread-safe; allocates
/// nothing; cannot fail.
using PackMover = void (*)(const Shape& shape, std::int64_t outer_count, const std::byte* user,
                           std::byte* packed);
using UnpackMover = void (*)(const Shape& shape, std::int64_t outer_count, const std::byte* packed,
                             std::byte* user);

struct Movers {
  PackMover pack;
  UnpackMover unpack;
  const char* name;  ///< of the kernel, for reports: "rows", "gather4", "transpose8", ...
};

/// The kernels for this shape on this processor, whatever its outer count will be. Takes some tens
/// of nanoseconds: looks at the leaf and the dimensions, not at the list of an indexed or ragged
/// leaf.
Movers choose_movers(const Shape& shape);

/// The plainest right ones, for any shape: a memcpy a block. What the others are tested against.
Movers plain_movers();

}  // namespace sluice::datatype
