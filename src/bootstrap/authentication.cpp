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
  log::error("libsodium could not be initialised");
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

/// Of all that a client and a server have said to each other, and of whose turn it is.
std::array<std::uint8_t, 32> transcript_hash(const std::array<std::uint8_t, 32>& key, Role role,
                                             const Greeting& client, const Greeting& server) {
  crypto_generichash_state state;
  std::array<std::uint8_t, 32> result;
  ::crypto_generichash_init(&state, key.data(), key.size(), result.size());
  // Labels of one length: what is made for one role never passes for the other's.
  update(state, role == Role::kClient ? "sluice client" : "sluice server");
  std::array<std::byte, 12> numbers;
  store_u32(numbers.data(), kProtocolVersion);
  store_u32(numbers.data() + 4, client.encrypts ? 1 : 0);
  store_u32(numbers.data() + 8, server.encrypts ? 1 : 0);
  update(state, std::string_view(reinterpret_cast<const char*>(numbers.data()), numbers.size()));
  update(state, client.nonce);
  update(state, server.nonce);
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
  store_u32(bytes.data() + 12, greeting.encrypts ? 1 : 0);
  std::memcpy(bytes.data() + 16, greeting.nonce.data(), greeting.nonce.size());
  return bytes;
}

bool decode(std::span<const std::byte, kHelloBytes> bytes, Greeting& greeting) {
  if (std::memcmp(bytes.data(), kMagic, 8) != 0) return false;
  const std::uint32_t encrypts = load_u32(bytes.data() + 12);
  if (encrypts > 1) return false;
  greeting.version = load_u32(bytes.data() + 8);
  greeting.encrypts = encrypts == 1;
  std::memcpy(greeting.nonce.data(), bytes.data() + 16, greeting.nonce.size());
  return true;
}

Mac prove(const Secret& secret, Role role, const Greeting& client, const Greeting& server) {
  return transcript_hash(keyed_hash(secret, "sluice authentication v1", ""), role, client, server);
}

bool is_proof(std::span<const std::byte, 32> candidate, const Secret& secret, Role role,
              const Greeting& client, const Greeting& server) {
  const Mac expected = prove(secret, role, client, server);
  return ::sodium_memcmp(candidate.data(), expected.data(), expected.size()) == 0;
}

SessionKey session_key(const Secret& secret, Role sender, const Greeting& client,
                       const Greeting& server) {
  return transcript_hash(keyed_hash(secret, "sluice encryption v1", ""), sender, client, server);
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
