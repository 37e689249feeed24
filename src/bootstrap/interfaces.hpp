// The network interfaces of this host: which there are, which of them a rank uses, and which of a
// peer's they reach.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/address.hpp"
#include "bootstrap/subnet.hpp"
#include "sluice/status.hpp"

namespace sluice::bootstrap {

/// One address of a network interface. An interface with several is listed once for each, and used
/// by one.
struct Interface {
  std::string name;
  Address address;           // port 0
  unsigned prefix_bits = 0;  // of its subnet: 24 for 192.0.2.2/24
  unsigned speed_mbit = 0;   // Mbit/s; 0: its driver does not say
  unsigned mtu_bytes = 0;
  bool is_loopback = false;
  bool is_virtual = false;  // a bridge of this host's containers or virtual machines, or a tunnel

  Subnet subnet() const { return {address, prefix_bits}; }
  /// "eth0 192.0.2.2/24 (10000 Mbit/s)".
  std::string text() const;
};

/// How many a rank uses at most.
inline constexpr std::size_t kMaxInterfaces = 8;

/// The addresses of all interfaces that are up and have a link, in the kernel's order. Link-local
/// IPv6 ones are left out: peers cannot be told of them. Error: kSystemError.
Result<std::vector<Interface>> list_interfaces();

/// What `wanted`, the text of SLUICE_NET, selects of `present`: 1 to kMaxInterfaces, each once, the
/// most preferred first. Empty: all but loopback, virtual ones and link-local addresses, and
/// loopback where there is nothing else. The interface that has `trusted`, unless that is
/// loopback, goes first, by this address, and counts as real. docs/environment.md has the syntax
/// and the order. Error: kInvalidArgument, with a list of what there is.
Result<std::vector<Interface>> choose_interfaces(std::vector<Interface> present,
                                                 const std::string& wanted, const Address& trusted);

/// What SLUICE_NET selects of this host's interfaces. `trusted`: an address that peers are known to
/// reach, or the one that packets to anywhere leave from.
Result<std::vector<Interface>> used_interfaces(const Address& trusted = default_route_address());

/// An interface of this host and an address of a peer that it reaches, both by index.
struct InterfacePair {
  std::size_t mine;
  std::size_t theirs;
  bool same_subnet;  // if not, there must be a route, which only trying tells

  friend bool operator==(const InterfacePair&, const InterfacePair&) = default;
};

/// Who reaches whom, each at most once: those in one subnet first, the narrowest subnet before
/// wider ones, then what is left of one family, in order. Loopback reaches loopback only.
std::vector<InterfacePair> pair_interfaces(std::span<const Interface> mine,
                                           std::span<const Address> theirs);

/// Where a host is in a network: plain data, told to other ranks.
struct NetworkPlace {
  Address address;
  std::uint32_t prefix_bits = 0;

  friend bool operator==(const NetworkPlace& one, const NetworkPlace& other) {
    return one.address.family == other.address.family && one.address.ip == other.address.ip &&
           one.prefix_bits == other.prefix_bits;
  }
};

/// The networks that all hosts are in, each at a place of its own: for each of them the places of
/// all hosts, in the order of the first host's. One network is counted once, however many
/// interfaces a host has there; one in which two hosts say the same address (containers' bridges)
/// not at all. `hosts`: the places of each; what makes no sense is passed over.
std::vector<std::vector<NetworkPlace>> common_networks(
    std::span<const std::vector<NetworkPlace>> hosts);

}  // namespace sluice::bootstrap
