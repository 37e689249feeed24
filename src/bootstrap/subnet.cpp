#include "bootstrap/subnet.hpp"

#include <arpa/inet.h>

#include <charconv>

namespace sluice::bootstrap {

bool Subnet::contains(const Address& other) const {
  if (other.family != address.family) return false;
  for (unsigned bit = 0; bit < bits; ++bit) {
    const unsigned differing = address.ip[bit / 8] ^ other.ip[bit / 8];
    if ((differing & (0x80u >> bit % 8)) != 0) return false;
  }
  return true;
}

std::optional<Subnet> parse_subnet(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  Subnet subnet;
  const std::string digits = text.substr(0, slash);
  for (const int family : {AF_INET, AF_INET6}) {
    subnet.address = Address{family, {}, 0, 0};
    if (::inet_pton(family, digits.c_str(), subnet.address.ip.data()) != 1) continue;
    const char* begin = text.data() + slash + 1;
    const char* end = text.data() + text.size();
    const auto [stopped_at, error] = std::from_chars(begin, end, subnet.bits);
    if (error != std::errc() || stopped_at != end) return std::nullopt;
    if (subnet.bits > (family == AF_INET ? 32u : 128u)) return std::nullopt;
    return subnet;
  }
  return std::nullopt;
}

}  // namespace sluice::bootstrap
