#include "bootstrap/interfaces.hpp"

#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <tuple>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::bootstrap {
namespace {

/// What container engines, virtual machine monitors and pod networks call the bridges that they
/// make. Several hosts have them with one and the same subnet, and no wire between.
constexpr const char* kVirtualNames[] = {"docker", "br-",   "virbr",  "cni",   "flannel", "cali",
                                         "lxcbr",  "lxdbr", "podman", "vmnet", "vboxnet"};

bool has_virtual_name(const std::string& name) {
  return std::any_of(std::begin(kVirtualNames), std::end(kVirtualNames),
                     [&](const char* prefix) { return name.starts_with(prefix); });
}

bool is_link_local(const Address& address) {
  if (address.family == AF_INET) return address.ip[0] == 169 && address.ip[1] == 254;
  return address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
}

bool same_ip(const Address& one, const Address& other) {
  return one.family == other.family && one.ip == other.ip;
}

// Speed and MTU are asked of the kernel and not of /sys, which shows the interfaces of the network
// namespace that it was mounted in.

ifreq request_about(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  return request;
}

unsigned mtu_bytes(const Fd& socket, const std::string& name) {
  ifreq request = request_about(name);
  if (::ioctl(socket.get(), SIOCGIFMTU, &request) != 0) return 0;
  return static_cast<unsigned>(request.ifr_mtu);
}

unsigned speed_mbit(const Fd& socket, const std::string& name) {
  constexpr std::size_t kMostMaskBytes = std::size_t{3} * 127 * sizeof(std::uint32_t);
  alignas(ethtool_link_settings) std::byte buffer[sizeof(ethtool_link_settings) + kMostMaskBytes];
  auto& settings = *reinterpret_cast<ethtool_link_settings*>(buffer);
  ifreq request = request_about(name);
  request.ifr_data = reinterpret_cast<char*>(buffer);
  const auto ask = [&](std::int8_t mask_words) {
    std::memset(buffer, 0, sizeof buffer);
    settings.cmd = ETHTOOL_GLINKSETTINGS;
    settings.link_mode_masks_nwords = mask_words;
    return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
  };
  // The first answer only says, negated, how many words of masks the kernel wants to give.
  if (!ask(0) || settings.link_mode_masks_nwords >= 0) return 0;
  if (!ask(static_cast<std::int8_t>(-settings.link_mode_masks_nwords))) return 0;
  constexpr std::uint32_t kUnknown = ~0u;
  return settings.speed == kUnknown ? 0 : settings.speed;
}

/// The address of a socket address of either family; the unused part of `in` is not read.
std::optional<Address> address_of(const sockaddr* in) {
  if (in == nullptr || (in->sa_family != AF_INET && in->sa_family != AF_INET6)) return std::nullopt;
  sockaddr_storage storage{};
  std::memcpy(&storage, in, in->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return Address::from_socket_address(storage);
}

unsigned count_bits(const Address& mask) {
  unsigned bits = 0;
  for (const std::uint8_t byte : mask.ip) bits += static_cast<unsigned>(std::popcount(byte));
  return bits;
}

std::optional<Interface> describe(const ifaddrs& entry, const Fd& socket) {
  constexpr unsigned kUsable = IFF_UP | IFF_RUNNING;
  if ((entry.ifa_flags & kUsable) != kUsable) return std::nullopt;
  const auto address = address_of(entry.ifa_addr);
  const auto mask = address_of(entry.ifa_netmask);
  if (!address || !mask) return std::nullopt;
  if (address->family == AF_INET6 && is_link_local(*address)) return std::nullopt;
  Interface found;
  found.name = entry.ifa_name;
  found.name.resize(std::min(found.name.find(':'), found.name.size()));  // a label: "eth0:1"
  found.address = *address;
  found.prefix_bits = count_bits(*mask);
  found.speed_mbit = speed_mbit(socket, found.name);
  found.mtu_bytes = mtu_bytes(socket, found.name);
  found.is_loopback = (entry.ifa_flags & IFF_LOOPBACK) != 0;
  found.is_virtual = (entry.ifa_flags & IFF_POINTOPOINT) != 0 || has_virtual_name(found.name);
  return found;
}

/// One entry of SLUICE_NET.
struct Wish {
  std::string text;  // without the ^
  std::optional<Subnet> subnet;
  bool exclude = false;

  bool fits(const Interface& row) const {
    return subnet ? subnet->contains(row.address) : row.name == text;
  }
};

Status bad_choice(const std::string& wanted, const std::string& why,
                  const std::vector<Interface>& present) {
  std::vector<std::string> there;
  there.reserve(present.size());
  for (const Interface& row : present) there.push_back(row.text());
  return fail(Errc::kInvalidArgument, "no such network interface",
              fmt::format("{}: {}; of those that are up this host has {}",
                          wanted.empty() ? "network interfaces" : "SLUICE_NET=" + wanted, why,
                          there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", "))));
}

Result<std::vector<Wish>> parse(const std::string& wanted, const std::vector<Interface>& present) {
  std::vector<Wish> wishes;
  for (std::size_t begin = 0; begin < wanted.size();) {
    const std::size_t end = std::min(wanted.find(',', begin), wanted.size());
    Wish wish{wanted.substr(begin, end - begin), std::nullopt, false};
    begin = end + 1;
    wish.exclude = wish.text.starts_with('^');
    if (wish.exclude) wish.text.erase(0, 1);
    if (wish.text.empty()) return bad_choice(wanted, "an entry is empty", present);
    if (wish.text.find('/') != std::string::npos) {
      wish.subnet = parse_subnet(wish.text);
      if (!wish.subnet)
        return bad_choice(wanted, fmt::format("\"{}\" is not a subnet", wish.text), present);
    }
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

class Choice {
 public:
  /// Puts `present` in order of preference.
  Choice(std::vector<Interface> present, const Address& trusted) : rows_(std::move(present)) {
    for (const Interface& row : rows_)
      if (!row.is_loopback && same_ip(row.address, trusted)) trusted_name_ = row.name;
    // In ascending order, so what goes first is false, or negative.
    const auto place = [&](const Interface& row) {
      return std::tuple(row.name != trusted_name_, row.is_loopback,
                        -static_cast<std::int64_t>(row.speed_mbit), std::string_view(row.name),
                        !same_ip(row.address, trusted), row.address.family != AF_INET);
    };
    std::stable_sort(rows_.begin(), rows_.end(), [&](const Interface& one, const Interface& other) {
      return place(one) < place(other);
    });
  }

  void exclude(const Wish& wish) {
    if (std::erase_if(rows_, [&](const Interface& row) { return wish.fits(row); }) == 0)
      log::info(log::Topic::kNetwork, "SLUICE_NET excludes {}, which this host does not have",
                wish.text);
  }

  /// Whether there is any that fits.
  bool take(const Wish& wish) {
    bool any = false;
    for (const Interface& row : rows_) {
      if (!wish.fits(row)) continue;
      any = true;
      take(row);
    }
    return any;
  }

  void take_automatically() {
    for (const Interface& row : rows_) {
      const bool aside = row.is_loopback || row.is_virtual || is_link_local(row.address);
      if (!aside || row.name == trusted_name_) take(row);
    }
    if (!chosen_.empty()) return;
    for (const Interface& row : rows_)
      if (row.is_loopback) take(row);
  }

  const std::vector<Interface>& rows() const { return rows_; }
  std::vector<Interface> chosen() && { return std::move(chosen_); }

 private:
  void take(const Interface& row) {
    if (std::none_of(chosen_.begin(), chosen_.end(),
                     [&](const Interface& earlier) { return earlier.name == row.name; }))
      chosen_.push_back(row);
  }

  std::vector<Interface> rows_;
  std::string trusted_name_;
  std::vector<Interface> chosen_;
};

/// The place that `host` has in the network of `place`; nothing where it has none.
std::optional<NetworkPlace> place_beside(const NetworkPlace& place,
                                         const std::vector<NetworkPlace>& host) {
  const Subnet network{place.address, place.prefix_bits};
  for (const NetworkPlace& theirs : host)
    if (theirs.prefix_bits == place.prefix_bits && network.contains(theirs.address)) return theirs;
  return std::nullopt;
}

bool makes_sense(const NetworkPlace& place) {
  if (place.address.family == AF_INET) return place.prefix_bits > 0 && place.prefix_bits <= 32;
  return place.address.family == AF_INET6 && place.prefix_bits > 0 && place.prefix_bits <= 128;
}

}  // namespace

std::string Interface::text() const {
  const std::string speed = speed_mbit > 0 ? fmt::format(" ({} Mbit/s)", speed_mbit) : "";
  return fmt::format("{} {}/{}{}", name, address.number(), prefix_bits, speed);
}

Result<std::vector<Interface>> list_interfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0)
    return fail_os("cannot list interfaces", "the network interfaces cannot be listed", errno);
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::vector<Interface> found;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next)
    if (auto row = describe(*each, socket)) found.push_back(std::move(*row));
  return found;
}

Result<std::vector<Interface>> choose_interfaces(std::vector<Interface> present,
                                                 const std::string& wanted,
                                                 const Address& trusted) {
  Choice choice(std::move(present), trusted);
  const std::vector<Interface> all = choice.rows();
  SLUICE_TRY_ASSIGN(const std::vector<Wish> wishes, parse(wanted, all));
  for (const Wish& wish : wishes)
    if (wish.exclude) choice.exclude(wish);
  bool automatic = true;
  for (const Wish& wish : wishes) {
    if (wish.exclude) continue;
    automatic = false;
    if (!choice.take(wish))
      return bad_choice(wanted, fmt::format("there is no \"{}\", or it is excluded", wish.text),
                        all);
  }
  if (automatic) choice.take_automatically();
  auto chosen = std::move(choice).chosen();
  if (chosen.empty()) return bad_choice(wanted, "no interface is left to use", all);
  if (chosen.size() > kMaxInterfaces) {
    log::warn(
        "{} network interfaces are there to use; the last {} are left out (SLUICE_NET names "
        "those to use)",
        chosen.size(), chosen.size() - kMaxInterfaces);
    chosen.resize(kMaxInterfaces);
  }
  return chosen;
}

Result<std::vector<Interface>> used_interfaces(const Address& trusted) {
  SLUICE_TRY_ASSIGN(auto present, list_interfaces());
  SLUICE_TRY_ASSIGN(auto chosen, choose_interfaces(std::move(present),
                                                   environment::text("SLUICE_NET", ""), trusted));
  std::vector<std::string> names;
  names.reserve(chosen.size());
  for (const Interface& each : chosen) names.push_back(each.text());
  log::debug(log::Topic::kNetwork, "network interfaces: {}", fmt::join(names, ", "));
  return chosen;
}

std::vector<InterfacePair> pair_interfaces(std::span<const Interface> mine,
                                           std::span<const Address> theirs) {
  std::vector<InterfacePair> candidates;
  for (std::size_t m = 0; m < mine.size(); ++m)
    for (std::size_t t = 0; t < theirs.size(); ++t) {
      const bool near = mine[m].subnet().contains(theirs[t]);
      const bool routable = mine[m].address.family == theirs[t].family && !mine[m].is_loopback &&
                            !theirs[t].is_loopback() && !is_link_local(mine[m].address) &&
                            !is_link_local(theirs[t]);
      if (near || routable) candidates.push_back({m, t, near});
    }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const InterfacePair& one, const InterfacePair& other) {
                     const auto narrowness = [&](const InterfacePair& pair) {
                       return pair.same_subnet ? static_cast<int>(mine[pair.mine].prefix_bits) : -1;
                     };
                     return narrowness(one) > narrowness(other);
                   });
  std::vector<InterfacePair> pairs;
  for (const InterfacePair& candidate : candidates)
    if (std::none_of(pairs.begin(), pairs.end(), [&](const InterfacePair& pair) {
          return pair.mine == candidate.mine || pair.theirs == candidate.theirs;
        }))
      pairs.push_back(candidate);
  return pairs;
}

std::vector<std::vector<NetworkPlace>> common_networks(
    std::span<const std::vector<NetworkPlace>> hosts) {
  std::vector<std::vector<NetworkPlace>> networks;
  if (hosts.empty()) return networks;
  for (const NetworkPlace& first : hosts.front()) {
    const bool known = std::any_of(networks.begin(), networks.end(), [&](const auto& network) {
      return place_beside(first, network).has_value();
    });
    if (!makes_sense(first) || known) continue;
    std::vector<NetworkPlace> places{first};
    for (const auto& host : hosts.subspan(1)) {
      const auto theirs = place_beside(first, host);
      if (!theirs || std::find(places.begin(), places.end(), *theirs) != places.end()) break;
      places.push_back(*theirs);
    }
    if (places.size() == hosts.size()) networks.push_back(std::move(places));
  }
  return networks;
}

}  // namespace sluice::bootstrap
