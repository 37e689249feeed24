// The packets between DescriptorServer and fetch_descriptor(), and what both ends share. Both ends
// run on one host, so numbers are in its byte order.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "memory/descriptor.hpp"

namespace sluice::descriptor_protocol {

inline constexpr std::uint64_t kMagic = 0x3144464543554c53;  // "SLUCEFD1" in memory
using Nonce = std::array<std::uint8_t, 32>;
using Mac = std::array<std::uint8_t, 32>;

enum class Answer : std::uint64_t { kHere = 0, kUnknownId = 1 };

/// Server to client, at once.
struct Challenge {
  std::uint64_t magic = kMagic;
  Nonce server_nonce{};
};
static_assert(sizeof(Challenge) == 40);

/// Client to server.
struct Request {
  std::uint64_t magic = kMagic;
  std::uint64_t id = 0;
  Nonce client_nonce{};
  Mac mac{};
};
static_assert(sizeof(Request) == 80);

/// Server to client; with one descriptor if the answer is kHere, with none otherwise.
struct Reply {
  std::uint64_t magic = kMagic;
  std::uint64_t id = 0;
  Answer answer = Answer::kUnknownId;
  std::uint64_t bytes = 0;
  Mac mac{};
};
static_assert(sizeof(Reply) == 64);
static_assert(
    std::has_unique_object_representations_v<Request>);  // no padding: no uninitialised byte leaves

/// What a MAC covers. The role keeps one end's proof from being played back as the other's.
struct Proof {
  std::array<char, 8> role{};
  Nonce server_nonce{};
  Nonce client_nonce{};
  std::uint64_t id = 0;
  std::uint64_t answer = 0;
  std::uint64_t bytes = 0;
};
static_assert(sizeof(Proof) == 96);

Proof request_proof(const Nonce& server_nonce, const Request& request);
Proof reply_proof(const Nonce& server_nonce, const Nonce& client_nonce, const Reply& reply);

Mac sign(const Proof& proof, const DescriptorKey& key);
bool verify(const Mac& mac, const Proof& proof, const DescriptorKey& key);
Nonce make_nonce();

/// False if the random number generator of the system is not to be had. Call it before anything
/// else here.
bool initialise();

/// A socket address in the abstract namespace (no file), or nothing if the name does not fit.
struct SocketAddress {
  sockaddr_un address;
  socklen_t bytes;
};
std::optional<SocketAddress> abstract_address(const std::string& name);

/// Who is at the other end of a Unix socket, by the kernel's word.
std::optional<ucred> peer_credentials(int socket);

/// Our own user or root.
bool trusted_user(uid_t user);

}  // namespace sluice::descriptor_protocol
