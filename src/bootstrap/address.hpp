// An IPv4 or IPv6 address with its port.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/status.hpp"

namespace sluice::bootstrap {

struct Address {
  int family = AF_INET;               // AF_INET or AF_INET6
  std::array<std::uint8_t, 16> ip{};  // network order; IPv4 in the first four
  std::uint16_t port = 0;
  std::uint32_t scope = 0;  // IPv6 interface index of a link-local address

  bool is_loopback() const;
  /// The same family and port on this host's loopback, or on every interface.
  Address loopback() const;
  Address any_interface() const;
  /// "127.0.0.1" or "::1".
  std::string number() const;
  /// "127.0.0.1:1234" or "[::1]:1234".
  std::string text() const;

  socklen_t to_socket_address(sockaddr_storage& out) const;
  static std::optional<Address> from_socket_address(const sockaddr_storage& in);
};

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

/// "host:port" or "[v6]:port"; nothing when it is neither or the port is not 1..65535.
std::optional<HostPort> parse_host_port(const std::string& text);

/// The address of a host name or a number ("node7", "192.0.2.1", "::1"), IPv4 first so that every
/// rank picks the same family. May ask DNS, which gives up after resolv.conf's own limit.
Result<Address> resolve(const std::string& host, std::uint16_t port);
/// All of them, at least one, in that order.
Result<std::vector<Address>> resolve_all(const std::string& host, std::uint16_t port);

/// The address that packets to the default route leave from; loopback where there is no route.
Address default_route_address();

}  // namespace sluice::bootstrap
