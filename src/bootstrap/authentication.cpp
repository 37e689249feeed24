#include "bootstrap/authentication.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/log.hpp"
#include "bootstrap/little_endian.hpp"

namespace sluice::bootstrap {
namespace {

constexpr char kMagic[] = "SLUICEB1";  // 8 characters on the wire

void ensure_sodium() {
  static const bool ready = ::sodium_init() >= 0;
  if (ready) return;
  // Without random numbers there is no safe way on, and no machine on which this happens is known.
  log::logger().critical("libsodium could not be initialised");
  std::abort();
}

void update(crypto_generichash_state& state, std::span<const std::uint8_t> bytes) {
  ::crypto_generichash_update(&state, bytes.data(), bytes.size());
}

void update(crypto_generichash_state& state, std::string_view text) {
  ::crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(text.data()),
                              text.size());
}

std::array<std::uint8_t, 32> keyed_hash(const Secret& key, std::string_view label,
                                        std::string_view text) {
  ensure_sodium();
  crypto_generichash_state state;
  std::array<std::uint8_t, 32> result;
  ::crypto_generichash_init(&state, key.data(), key.size(), result.size());
  update(state, label);
  update(state, text);
  ::crypto_generichash_final(&state, result.data(), result.size());
  return result;
}

std::array<std::uint8_t, 32> random_bytes() {
  ensure_sodium();
  std::array<std::uint8_t, 32> result;
  ::randombytes_buf(result.data(), result.size());
  return result;
}

}  // namespace

Nonce random_nonce() { return random_bytes(); }
Secret random_secret() { return random_bytes(); }

HelloBytes encode(const Greeting& greeting) {
  HelloBytes bytes{};
  std::memcpy(bytes.data(), kMagic, 8);
  store_u32(bytes.data() + 8, greeting.version);
  std::memcpy(bytes.data() + 16, greeting.nonce.data(), greeting.nonce.size());
  return bytes;
}

bool decode(std::span<const std::byte, kHelloBytes> bytes, Greeting& greeting) {
  if (std::memcmp(bytes.data(), kMagic, 8) != 0) return false;
  greeting.version = load_u32(bytes.data() + 8);
  std::memcpy(greeting.nonce.data(), bytes.data() + 16, greeting.nonce.size());
  return true;
}

Mac prove(const Secret& secret, Role role, const Nonce& client_nonce, const Nonce& server_nonce) {
  const auto key = keyed_hash(secret, "sluice authentication v1", "");
  crypto_generichash_state state;
  Mac mac;
  ::crypto_generichash_init(&state, key.data(), key.size(), mac.size());
  // Labels of one length: a proof of one role never passes for one of the other.
  update(state, role == Role::kClient ? "sluice client" : "sluice server");
  std::array<std::byte, 4> version;
  store_u32(version.data(), kProtocolVersion);
  update(state, std::string_view(reinterpret_cast<const char*>(version.data()), version.size()));
  update(state, client_nonce);
  update(state, server_nonce);
  ::crypto_generichash_final(&state, mac.data(), mac.size());
  return mac;
}

bool is_proof(std::span<const std::byte, 32> candidate, const Secret& secret, Role role,
              const Nonce& client_nonce, const Nonce& server_nonce) {
  const Mac expected = prove(secret, role, client_nonce, server_nonce);
  return ::sodium_memcmp(candidate.data(), expected.data(), expected.size()) == 0;
}

VerdictBytes encode_verdict(bool accepted, const Mac& mac) {
  VerdictBytes bytes{};
  store_u32(bytes.data(), accepted ? 1 : 0);
  if (accepted) std::memcpy(bytes.data() + 8, mac.data(), mac.size());
  return bytes;
}

std::array<std::uint8_t, 32> derive_key(const Secret& secret, std::string_view purpose) {
  return keyed_hash(secret, "sluice key v1:", purpose);
}

Secret hash_to_secret(std::string_view label, std::string_view text) {
  ensure_sodium();
  crypto_generichash_state state;
  Secret result;
  ::crypto_generichash_init(&state, nullptr, 0, result.size());
  update(state, label);
  update(state, std::string_view("\0", 1));
  update(state, text);
  ::crypto_generichash_final(&state, result.data(), result.size());
  return result;
}

}  // namespace sluice::bootstrap
