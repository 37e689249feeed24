#include "transports/tcp/blob.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "bootstrap/little_endian.hpp"

namespace sluice::transport::tcp {
namespace {

using bootstrap::Address;

constexpr char kMagic[] = "SLUICET1";  // 8 characters in the blob
constexpr std::size_t kFixedBytes = 40;
constexpr std::size_t kAddressBytes = 20;
constexpr std::size_t kMacBytes = 32;

std::array<std::uint8_t, kMacBytes> mac_of(std::span<const std::byte> bytes,
                                           const bootstrap::Secret& key) {
  std::string text = "tcp blob:";
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return bootstrap::derive_key(key, text);
}

void store(std::byte* at, const Address& address) {
  bootstrap::store_u16(at, address.family == AF_INET6 ? 6 : 4);
  bootstrap::store_u16(at + 2, address.port);
  std::memcpy(at + 4, address.ip.data(), address.ip.size());
}

std::optional<Address> load(const std::byte* at) {
  const std::uint16_t family = bootstrap::load_u16(at);
  if (family != 4 && family != 6) return std::nullopt;
  Address address;
  address.family = family == 6 ? AF_INET6 : AF_INET;
  address.port = bootstrap::load_u16(at + 2);
  std::memcpy(address.ip.data(), at + 4, address.ip.size());
  return address;
}

}  // namespace

Blob encode(const Place& place, const bootstrap::Secret& key) {
  Blob blob(kFixedBytes + place.addresses.size() * kAddressBytes);
  std::memcpy(blob.data(), kMagic, 8);
  bootstrap::store_u64(blob.data() + 8, place.owner);
  bootstrap::store_u64(blob.data() + 16, place.region);
  bootstrap::store_u64(blob.data() + 24, place.bytes);
  bootstrap::store_u32(blob.data() + 32, static_cast<std::uint32_t>(place.addresses.size()));
  std::byte* at = blob.data() + kFixedBytes;
  for (const Address& address : place.addresses) {
    store(at, address);
    at += kAddressBytes;
  }
  const auto mac = mac_of(blob, key);
  const auto mac_bytes = std::as_bytes(std::span(mac));
  blob.insert(blob.end(), mac_bytes.begin(), mac_bytes.end());
  return blob;
}

std::optional<Place> decode(std::span<const std::byte> blob, const bootstrap::Secret& key) {
  if (blob.size() < kFixedBytes + kMacBytes || std::memcmp(blob.data(), kMagic, 8) != 0)
    return std::nullopt;
  const auto fields = blob.first(blob.size() - kMacBytes);
  const auto mac = mac_of(fields, key);
  if (std::memcmp(mac.data(), fields.data() + fields.size(), kMacBytes) != 0) return std::nullopt;
  const std::uint32_t count = bootstrap::load_u32(fields.data() + 32);
  if (count < 1 || count > kMaxAddresses || fields.size() != kFixedBytes + count * kAddressBytes)
    return std::nullopt;
  Place place{bootstrap::load_u64(fields.data() + 8),
              bootstrap::load_u64(fields.data() + 16),
              bootstrap::load_u64(fields.data() + 24),
              {}};
  for (std::size_t i = 0; i < count; ++i) {
    const auto address = load(fields.data() + kFixedBytes + i * kAddressBytes);
    if (!address) return std::nullopt;
    place.addresses.push_back(*address);
  }
  return place;
}

}  // namespace sluice::transport::tcp
