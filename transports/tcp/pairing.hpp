// Which of this host's interfaces reaches which of a peer's.
#pragma once

#include <span>
#include <vector>

#include "bootstrap/address.hpp"

namespace sluice::transport::tcp {

/// Of an interface of this host, to connect from. Its port does not count.
struct LocalAddress {
  bootstrap::Address address;
  int prefix_bits = 0;  // those that all addresses of its subnet share; 0: not known
};

struct NicPair {
  bootstrap::Address from, to;
};

/// Every interface of either side at most once, in the order of `local`: first those of one subnet
/// (of several the one at the same place in both lists), then what is left, in order, where routing
/// may lead from one to the other. Never an IPv4 address with an IPv6 one.
std::vector<NicPair> pair_nics(std::span<const LocalAddress> local,
                               std::span<const bootstrap::Address> remote);

}  // namespace sluice::transport::tcp
