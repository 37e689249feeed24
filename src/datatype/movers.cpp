// Which kernel moves a shape.
#include "datatype/movers.hpp"

#include "datatype/families.hpp"

namespace sluice::datatype {
namespace {

void move_nothing_packing(const Shape& /*shape*/, std::int64_t /*outer_count*/,
                          const std::byte* /*user*/, std::byte* /*packed*/) {}
void move_nothing_unpacking(const Shape& /*shape*/, std::int64_t /*outer_count*/,
                            const std::byte* /*packed*/, std::byte* /*user*/) {}

}  // namespace

Movers choose_movers(const Shape& shape) {
  if (shape.leaf_bytes == 0) return {move_nothing_packing, move_nothing_unpacking, "nothing"};
  switch (shape.leaf) {
    case Leaf::kRecord: return record_movers(shape);
    case Leaf::kIndexed:
    case Leaf::kRagged: return list_movers(shape);
    case Leaf::kBlock: break;
  }
  const Movers transpose = transpose_movers(shape);
  return transpose.pack != nullptr ? transpose : row_movers(shape);
}

}  // namespace sluice::datatype
