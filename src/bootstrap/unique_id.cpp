#include "sluice/unique_id.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstring>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "bootstrap/interfaces.hpp"
#include "bootstrap/little_endian.hpp"
#include "bootstrap/server.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice {
namespace bootstrap {
namespace {

constexpr char kIdMagic[] = "SLUICEID";  // 8 characters
constexpr std::uint16_t kIdVersion = 1;
constexpr std::uint16_t kFlagRankZeroServes = 1;
constexpr std::uint16_t kFlagAnyInterface = 2;

constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kFlagsAt = 10;
constexpr std::size_t kFamilyAt = 12;
constexpr std::size_t kPortAt = 14;
constexpr std::size_t kIpAt = 16;
constexpr std::size_t kSecretAt = 32;
constexpr std::size_t kScopeAt = 64;
constexpr std::size_t kChecksumAt = 112;
constexpr std::size_t kChecksumBytes = 16;

std::array<std::uint8_t, kChecksumBytes> checksum(const UniqueId& id) {
  std::array<std::uint8_t, kChecksumBytes> sum;
  ::crypto_generichash(sum.data(), sum.size(),
                       reinterpret_cast<const unsigned char*>(id.bytes.data()), kChecksumAt,
                       nullptr, 0);
  return sum;
}

Status bad_id(std::string why) {
  return fail(Errc::kInvalidArgument, "not a valid unique id", std::move(why));
}

}  // namespace

UniqueId encode_unique_id(const IdFields& fields) {
  UniqueId id;
  std::byte* bytes = id.bytes.data();
  std::memcpy(bytes, kIdMagic, 8);
  store_u16(bytes + kVersionAt, kIdVersion);
  store_u16(bytes + kFlagsAt,
            static_cast<std::uint16_t>((fields.rank_zero_serves ? kFlagRankZeroServes : 0) |
                                       (fields.any_interface ? kFlagAnyInterface : 0)));
  store_u16(bytes + kFamilyAt, fields.server.family == AF_INET6 ? 6 : 4);
  store_u16(bytes + kPortAt, fields.server.port);
  std::memcpy(bytes + kIpAt, fields.server.ip.data(), fields.server.ip.size());
  std::memcpy(bytes + kSecretAt, fields.secret.data(), fields.secret.size());
  store_u32(bytes + kScopeAt, fields.server.scope);
  const auto sum = checksum(id);
  std::memcpy(bytes + kChecksumAt, sum.data(), sum.size());
  return id;
}

Result<IdFields> decode_unique_id(const UniqueId& id) {
  const std::byte* bytes = id.bytes.data();
  if (std::memcmp(bytes, kIdMagic, 8) != 0) {
    return bad_id(
        "the unique id does not start with SLUICEID: it was never filled in, or is another "
        "library's");
  }
  if (const auto version = load_u16(bytes + kVersionAt); version != kIdVersion) {
    return bad_id(fmt::format("the unique id has version {}, this library understands {}", version,
                              kIdVersion));
  }
  const auto sum = checksum(id);
  if (std::memcmp(bytes + kChecksumAt, sum.data(), sum.size()) != 0) {
    return bad_id("the unique id's checksum is wrong: it was damaged or cut short on its way");
  }
  const auto family = load_u16(bytes + kFamilyAt);
  IdFields fields;
  fields.server.family = family == 6 ? AF_INET6 : AF_INET;
  fields.server.port = load_u16(bytes + kPortAt);
  if ((family != 4 && family != 6) || fields.server.port == 0) {
    return bad_id(
        fmt::format("the unique id names family {} and port {}", family, fields.server.port));
  }
  std::memcpy(fields.server.ip.data(), bytes + kIpAt, fields.server.ip.size());
  std::memcpy(fields.secret.data(), bytes + kSecretAt, fields.secret.size());
  fields.server.scope = load_u32(bytes + kScopeAt);
  const auto flags = load_u16(bytes + kFlagsAt);
  fields.rank_zero_serves = (flags & kFlagRankZeroServes) != 0;
  fields.any_interface = (flags & kFlagAnyInterface) != 0;
  return fields;
}

Result<UniqueId> create_unique_id_at(Address address) {
  OpenResult listener = listen_on(address);
  if (!listener.fd.valid()) {
    return fail_os("no rendezvous could be started",
                   fmt::format("the rendezvous could not listen on {}", address.text()),
                   listener.error);
  }
  SLUICE_TRY_ASSIGN(const Address bound, local_address(listener.fd));
  IdFields fields;
  fields.server = address;
  fields.server.port = bound.port;
  fields.secret = random_secret();
  SLUICE_TRY_ASSIGN(auto server,
                    Server::start({std::move(listener.fd), fields.server, fields.secret, false}));
  return encode_unique_id(fields);
}

}  // namespace bootstrap

Result<UniqueId> UniqueId::create() {
  if (const auto host = environment::text("SLUICE_ROOT_ADDRESS")) {
    SLUICE_TRY_ASSIGN(const bootstrap::Address address, bootstrap::resolve(*host, 0));
    return bootstrap::create_unique_id_at(address);
  }
  SLUICE_TRY_ASSIGN(const auto used, bootstrap::used_interfaces());
  return bootstrap::create_unique_id_at(used.front().address);
}

}  // namespace sluice
