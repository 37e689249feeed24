#include "bootstrap/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/error.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::bootstrap {
namespace {

/// The source address that the kernel would choose towards `target`; nothing is sent.
std::optional<Address> source_address_towards(const char* target) {
  const auto to = resolve(target, 9);
  if (!to.ok()) return std::nullopt;
  sockaddr_storage storage{};
  socklen_t length = to.value().to_socket_address(storage);
  Fd probe(::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return std::nullopt;
  if (::connect(probe.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0)
    return std::nullopt;
  length = sizeof storage;
  if (::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0)
    return std::nullopt;
  auto found = Address::from_socket_address(storage);
  if (found) found->port = 0;
  return found;
}

}  // namespace

bool Address::is_loopback() const {
  if (family == AF_INET) return ip[0] == 127;
  return ip == loopback().ip;
}

Address Address::loopback() const {
  Address result{family, {}, port, 0};
  if (family == AF_INET) {
    result.ip[0] = 127;
    result.ip[3] = 1;
  } else {
    result.ip[15] = 1;
  }
  return result;
}

Address Address::any_interface() const { return Address{family, {}, port, 0}; }

std::string Address::number() const {
  char digits[INET6_ADDRSTRLEN] = "?";
  ::inet_ntop(family, ip.data(), digits, sizeof digits);
  return digits;
}

std::string Address::text() const {
  return family == AF_INET6 ? fmt::format("[{}]:{}", number(), port)
                            : fmt::format("{}:{}", number(), port);
}

socklen_t Address::to_socket_address(sockaddr_storage& out) const {
  out = {};
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip.data(), sizeof v4.sin_addr);
    std::memcpy(&out, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_scope_id = scope;
  std::memcpy(&v6.sin6_addr, ip.data(), sizeof v6.sin6_addr);
  std::memcpy(&out, &v6, sizeof v6);
  return sizeof v6;
}

std::optional<Address> Address::from_socket_address(const sockaddr_storage& in) {
  Address result;
  result.family = in.ss_family;
  if (in.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &in, sizeof v4);
    result.port = ntohs(v4.sin_port);
    std::memcpy(result.ip.data(), &v4.sin_addr, sizeof v4.sin_addr);
    return result;
  }
  if (in.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, &in, sizeof v6);
  result.port = ntohs(v6.sin6_port);
  result.scope = v6.sin6_scope_id;
  std::memcpy(result.ip.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
  return result;
}

std::optional<HostPort> parse_host_port(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  HostPort result;
  result.host = text.substr(0, colon);
  if (result.host.front() == '[') {
    if (result.host.size() < 3 || result.host.back() != ']') return std::nullopt;
    result.host = result.host.substr(1, result.host.size() - 2);
  } else if (result.host.find(':') != std::string::npos) {
    return std::nullopt;  // an IPv6 address without brackets: where it ends is anyone's guess
  }
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(begin, end, result.port);
  if (error != std::errc() || stopped_at != end || result.port == 0) return std::nullopt;
  return result;
}

Result<std::vector<Address>> resolve_all(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  if (error != 0) {
    return fail(
        Errc::kSystemError, "a host name could not be resolved",
        fmt::format("the host \"{}\" could not be resolved: {}", host, ::gai_strerror(error)));
  }
  std::vector<Address> all;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
      if (each->ai_family != family) continue;
      sockaddr_storage storage{};
      std::memcpy(&storage, each->ai_addr, std::min<std::size_t>(each->ai_addrlen, sizeof storage));
      auto found = Address::from_socket_address(storage);
      if (!found) continue;
      found->port = port;
      all.push_back(*found);
    }
  }
  if (!all.empty()) return all;
  return fail(Errc::kSystemError, "a host name could not be resolved",
              fmt::format("the host \"{}\" has no IPv4 or IPv6 address", host));
}

Result<Address> resolve(const std::string& host, std::uint16_t port) {
  SLUICE_TRY_ASSIGN(const auto all, resolve_all(host, port));
  return all.front();
}

Address default_route_address() {
  // Documentation addresses (RFC 5737, RFC 3849): only the default route leads there.
  for (const char* target : {"198.51.100.1", "2001:db8::1"}) {
    if (const auto source = source_address_towards(target)) return *source;
  }
  return Address{}.loopback();
}

}  // namespace sluice::bootstrap
