// What a programmer would write instead of a datatype: plain loops over elements.
#pragma once

#include <cstddef>

#include "cases.hpp"

namespace sluice::datatype::perf {

void pack_by_hand(const Case& c, const std::byte* user, std::byte* packed);
void unpack_by_hand(const Case& c, const std::byte* packed, std::byte* user);

}  // namespace sluice::datatype::perf
