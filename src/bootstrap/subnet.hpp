// A range of addresses: "10.0.0.0/8", "fd00::/8".
#pragma once

#include <optional>
#include <string>

#include "bootstrap/address.hpp"

namespace sluice::bootstrap {

struct Subnet {
  Address address;    // any of it
  unsigned bits = 0;  // how many leading bits its addresses share: 0 to 32, or to 128 for IPv6

  bool contains(const Address& other) const;
};

/// Nothing when the text is not the number of an address, a slash and a number of bits.
std::optional<Subnet> parse_subnet(const std::string& text);

}  // namespace sluice::bootstrap
