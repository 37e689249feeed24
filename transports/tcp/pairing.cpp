#include "transports/tcp/pairing.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice::transport::tcp {
namespace {

using bootstrap::Address;

bool in_one_subnet(const LocalAddress& local, const Address& remote) {
  const int most_bits = local.address.family == AF_INET6 ? 128 : 32;
  if (local.address.family != remote.family || local.prefix_bits < 1 ||
      local.prefix_bits > most_bits)
    return false;
  for (int bit = 0; bit < local.prefix_bits; ++bit) {
    const auto byte = static_cast<std::size_t>(bit / 8);
    const int difference = local.address.ip[byte] ^ remote.ip[byte];
    if ((difference & (0x80 >> bit % 8)) != 0) return false;
  }
  return true;
}

using Match = bool (*)(const LocalAddress&, const Address&);

/// The partner for `local[i]` among those that have none yet.
std::optional<std::size_t> find(std::size_t i, std::span<const LocalAddress> local,
                                std::span<const Address> remote, const std::vector<bool>& taken,
                                Match fits) {
  const auto free = [&](std::size_t j) {
    return j < remote.size() && !taken[j] && fits(local[i], remote[j]);
  };
  if (free(i)) return i;
  for (std::size_t j = 0; j < remote.size(); ++j)
    if (free(j)) return j;
  return std::nullopt;
}

}  // namespace

std::vector<NicPair> pair_nics(std::span<const LocalAddress> local,
                               std::span<const Address> remote) {
  std::vector<std::optional<std::size_t>> partner(local.size());
  std::vector<bool> taken(remote.size());
  const Match by_routing = [](const LocalAddress& from, const Address& to) {
    return from.address.family == to.family;
  };
  for (const Match fits : {Match(in_one_subnet), by_routing})
    for (std::size_t i = 0; i < local.size(); ++i) {
      if (!partner[i]) partner[i] = find(i, local, remote, taken, fits);
      if (partner[i]) taken[*partner[i]] = true;
    }
  std::vector<NicPair> pairs;
  for (std::size_t i = 0; i < local.size(); ++i)
    if (partner[i]) pairs.push_back({local[i].address, remote[*partner[i]]});
  return pairs;
}

}  // namespace sluice::transport::tcp
