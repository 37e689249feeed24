#include "memory/descriptor_protocol.hpp"

#include <sodium.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

namespace sluice::descriptor_protocol {

static_assert(std::tuple_size_v<Mac> == crypto_auth_BYTES);
static_assert(std::tuple_size_v<DescriptorKey> == crypto_auth_KEYBYTES);

Proof request_proof(const Nonce& server_nonce, const Request& request) {
  return {
      {'r', 'e', 'q', 'u', 'e', 's', 't'}, server_nonce, request.client_nonce, request.id, 0, 0};
}

Proof reply_proof(const Nonce& server_nonce, const Nonce& client_nonce, const Reply& reply) {
  return {{'r', 'e', 'p', 'l', 'y'},
          server_nonce,
          client_nonce,
          reply.id,
          static_cast<std::uint64_t>(reply.answer),
          reply.bytes};
}

Mac sign(const Proof& proof, const DescriptorKey& key) {
  std::array<std::uint8_t, sizeof proof> message;
  std::memcpy(message.data(), &proof, sizeof proof);
  Mac mac;
  crypto_auth(mac.data(), message.data(), message.size(), key.data());
  return mac;
}

bool verify(const Mac& mac, const Proof& proof, const DescriptorKey& key) {
  const Mac expected = sign(proof, key);
  return sodium_memcmp(mac.data(), expected.data(), mac.size()) == 0;  // in constant time
}

Nonce make_nonce() {
  Nonce nonce;
  randombytes_buf(nonce.data(), nonce.size());
  return nonce;
}

bool initialise() { return sodium_init() >= 0; }

std::optional<SocketAddress> abstract_address(const std::string& name) {
  SocketAddress result = {};
  if (name.empty() || name.size() + 1 > sizeof result.address.sun_path) return std::nullopt;
  result.address.sun_family = AF_UNIX;
  std::memcpy(result.address.sun_path + 1, name.data(),
              name.size());  // the leading zero makes it abstract
  result.bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return result;
}

std::optional<ucred> peer_credentials(int socket) {
  ucred peer = {};
  socklen_t bytes = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0 || bytes != sizeof peer)
    return std::nullopt;
  return peer;
}

bool trusted_user(uid_t user) { return user == ::geteuid() || user == 0; }

}  // namespace sluice::descriptor_protocol
