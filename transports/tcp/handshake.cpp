#include "transports/tcp/handshake.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

namespace sluice::transport::tcp {

using namespace bootstrap;

namespace {

/// For messages that fit a new socket's buffer: there is no reason to wait.
bool send_at_once(const Fd& socket, std::span<const std::byte> bytes) {
  return send_all(socket, bytes, Deadline::after(std::chrono::nanoseconds(0))) == 0;
}

Proof broken(int error) {
  return {error == ETIMEDOUT ? Errc::kTimeout : Errc::kRemoteError,
          error == ECONNRESET ? "it closed the connection before both sides had proved the key"
                              : std::strerror(error)};
}

}  // namespace

Proof prove_as_opener(const Fd& socket, const Secret& key, Deadline deadline) {
  const Nonce opener_nonce = random_nonce();
  if (const int error =
          send_all(socket, encode(Greeting{kProtocolVersion, opener_nonce}), deadline))
    return broken(error);
  std::array<std::byte, kChallengeBytes> challenge;
  if (const int error = receive_exactly(socket, challenge, deadline)) return broken(error);
  Greeting greeting;
  if (!decode(challenge, greeting) || greeting.version != kProtocolVersion)
    return {Errc::kRemoteError, "what answers there is no Sluice transport of this release"};
  const Mac proof = prove(key, Role::kClient, opener_nonce, greeting.nonce);
  if (const int error = send_all(socket, std::as_bytes(std::span(proof)), deadline))
    return broken(error);
  VerdictBytes verdict;
  if (const int error = receive_exactly(socket, verdict, deadline)) return broken(error);
  if (verdict[0] != std::byte{1})
    return {Errc::kRemoteError, "it refuses our proof: it has another key"};
  const auto mac = std::span<const std::byte, kVerdictBytes>(verdict).subspan<8, 32>();
  if (!is_proof(mac, key, Role::kServer, opener_nonce, greeting.nonce))
    return {Errc::kRemoteError, "it cannot prove that it has the job's key"};
  return {};
}

OwnerHandshake::State OwnerHandshake::advance(const Fd& socket, const Secret& key) {
  if (state_ == State::kHello && read(socket, kHelloBytes)) state_ = take_hello(socket);
  if (state_ == State::kProof && read(socket, kProofBytes)) state_ = take_proof(socket, key);
  return state_;
}

/// Whether all of the message is there.
bool OwnerHandshake::read(const Fd& socket, std::size_t wanted) {
  while (count_ < wanted) {
    const ssize_t received = ::recv(socket.get(), bytes_.data() + count_, wanted - count_, 0);
    if (received > 0) {
      count_ += static_cast<std::size_t>(received);
      continue;
    }
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    state_ =
        refuse(received == 0 ? "it closed before it had proved the key" : std::strerror(errno));
    return false;
  }
  count_ = 0;
  return true;
}

OwnerHandshake::State OwnerHandshake::take_hello(const Fd& socket) {
  Greeting hello;
  if (!decode(bytes_, hello)) return refuse("its first bytes are not Sluice's");
  if (hello.version != kProtocolVersion)
    return refuse(fmt::format("it speaks version {} of the handshake, expected {}", hello.version,
                              kProtocolVersion));
  opener_nonce_ = hello.nonce;
  owner_nonce_ = random_nonce();
  if (!send_at_once(socket, encode(Greeting{kProtocolVersion, owner_nonce_})))
    return refuse("it takes no answer");
  return State::kProof;
}

OwnerHandshake::State OwnerHandshake::take_proof(const Fd& socket, const Secret& key) {
  const auto proof = std::span<const std::byte, kHelloBytes>(bytes_).first<kProofBytes>();
  const bool accepted = is_proof(proof, key, Role::kClient, opener_nonce_, owner_nonce_);
  const Mac mac = prove(key, Role::kServer, opener_nonce_, owner_nonce_);
  const bool sent = send_at_once(socket, encode_verdict(accepted, mac));
  if (!accepted) return refuse("it does not have the job's key");
  return sent ? State::kProved : refuse("it takes no answer");
}

OwnerHandshake::State OwnerHandshake::refuse(std::string why) {
  complaint_ = std::move(why);
  return State::kRefused;
}

}  // namespace sluice::transport::tcp
