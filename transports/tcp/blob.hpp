// What tells a peer where published memory is. docs/tcp.md has every byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bootstrap/address.hpp"
#include "bootstrap/authentication.hpp"
#include "transports/transport.hpp"

namespace sluice::transport::tcp {

inline constexpr std::size_t kMaxAddresses = 8;
/// Connections of one opener to one owner: a pair of addresses each.
inline constexpr std::size_t kMaxRails = kMaxAddresses;

struct Place {
  std::uint64_t owner = 0;   // the number of the transport
  std::uint64_t region = 0;  // from 1
  std::uint64_t bytes = 0;
  std::vector<bootstrap::Address> addresses;  // where the owner listens: 1 to kMaxAddresses
};

Blob encode(const Place& place, const bootstrap::Secret& key);
/// Nothing when it is damaged or was made under another key.
std::optional<Place> decode(std::span<const std::byte> blob, const bootstrap::Secret& key);

}  // namespace sluice::transport::tcp
