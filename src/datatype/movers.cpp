#include "datatype/movers.hpp"

namespace sluice::datatype {

Movers choose_movers(const Shape&) { return plain_movers(); }

}  // namespace sluice::datatype
