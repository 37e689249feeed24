// Private to src/datatype.
#pragma once

#include "datatype/layout.hpp"

namespace sluice::datatype {

/// Null if something has not fitted 63 bits.
LayoutPtr make_layout(Form form, const Layout::Bounds& bounds, Checked& math);

}  // namespace sluice::datatype
