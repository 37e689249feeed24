// Proof of knowing the job's secret, both ways, without sending it.
//
//   client -> server   Hello      magic, version, whether it encrypts, client nonce
//   server -> client   Challenge  magic, version, whether it encrypts, server nonce
//   client -> server   Proof      MAC("client", what both greetings say)
//   server -> client   Verdict    accepted or not, MAC("server", what both greetings say)
//
// So who changes a greeting on its way, to turn encryption off for one, spoils the proofs.
//
// The MAC is keyed BLAKE2b under a key derived from the secret. The client proves itself first, so
// that a stranger who only connects gets nothing to guess the secret from. Fixed sizes; every
// number little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::bootstrap {

using Secret = std::array<std::uint8_t, 32>;
using Nonce = std::array<std::uint8_t, 32>;
using Mac = std::array<std::uint8_t, 32>;
using SessionKey = std::array<std::uint8_t, 32>;

inline constexpr std::uint32_t kProtocolVersion = 1;

inline constexpr std::size_t kHelloBytes = 48;      // magic 8, version 4, encrypts 4, nonce 32
inline constexpr std::size_t kChallengeBytes = 48;  // the same
inline constexpr std::size_t kProofBytes = 32;      // MAC
inline constexpr std::size_t kVerdictBytes = 40;    // accepted (1 or 0) 4, zero 4, MAC 32

using HelloBytes = std::array<std::byte, kHelloBytes>;
using ProofBytes = std::array<std::byte, kProofBytes>;
using VerdictBytes = std::array<std::byte, kVerdictBytes>;

/// A Hello or a Challenge: they have one layout.
struct Greeting {
  std::uint32_t version = kProtocolVersion;
  Nonce nonce{};
  /// Wants what follows the handshake to be encrypted (records.hpp); it is if both do.
  bool encrypts = false;
};

enum class Role { kClient, kServer };

Nonce random_nonce();
Secret random_secret();

HelloBytes encode(const Greeting& greeting);
/// False when it does not start with the magic number, or says neither that it encrypts nor that it
/// does not.
bool decode(std::span<const std::byte, kHelloBytes> bytes, Greeting& greeting);

Mac prove(const Secret& secret, Role role, const Greeting& client, const Greeting& server);
/// Compares in constant time.
bool is_proof(std::span<const std::byte, 32> candidate, const Secret& secret, Role role,
              const Greeting& client, const Greeting& server);

VerdictBytes encode_verdict(bool accepted, const Mac& mac);

/// The key under which `sender` encrypts on this connection, and on no other: both ends have added
/// a nonce.
SessionKey session_key(const Secret& secret, Role sender, const Greeting& client,
                       const Greeting& server);

/// A key for `purpose`, of which the secret cannot be learnt.
std::array<std::uint8_t, 32> derive_key(const Secret& secret, std::string_view purpose);

/// 32 bytes from any text: for secrets that a person or a launcher gives.
Secret hash_to_secret(std::string_view label, std::string_view text);

}  // namespace sluice::bootstrap
