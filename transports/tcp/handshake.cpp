#include "transports/tcp/handshake.hpp"

#include <fmt/format.h>
#include <poll.h>
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

std::string text_of(int error) {
  return error == ECONNRESET ? "it closed the connection before both sides had proved the key"
                             : std::strerror(error);
}

/// Only said once both have proved the key, and with it what they have said before.
std::string difference(const Terms& terms) {
  return fmt::format("it {}, this rank {}: SLUICE_ENCRYPT must be the same on every rank",
                     terms.encrypts ? "does not encrypt" : "encrypts",
                     terms.encrypts ? "does" : "does not");
}

}  // namespace

std::uint64_t random_number() {
  for (std::uint64_t number = 0;;) {
    const Nonce nonce = random_nonce();
    std::memcpy(&number, nonce.data(), sizeof number);
    if (number != 0) return number;
  }
}

bool MessageReader::read(const Fd& socket, std::size_t wanted) {
  error_ = 0;
  while (count_ < wanted) {
    const ssize_t received = ::recv(socket.get(), bytes_.data() + count_, wanted - count_, 0);
    if (received > 0) {
      count_ += static_cast<std::size_t>(received);
      continue;
    }
    if (received < 0 && errno == EINTR) continue;
    if (received == 0)
      error_ = ECONNRESET;
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
      error_ = errno;
    return false;
  }
  count_ = 0;
  return true;
}

Proof prove_as_opener(const Fd& socket, const Terms& terms, Deadline deadline) {
  OpenerHandshake handshake;
  for (;;) {
    switch (handshake.advance(socket, terms)) {
      case OpenerHandshake::State::kProved: return {Errc::kOk, {}, handshake.encryption(terms)};
      case OpenerHandshake::State::kRefused: return {Errc::kRemoteError, handshake.complaint()};
      default: break;
    }
    if (const int error = wait_until_ready(socket, POLLIN, deadline))
      return {error == ETIMEDOUT ? Errc::kTimeout : Errc::kRemoteError, std::strerror(error)};
  }
}

OpenerHandshake::State OpenerHandshake::advance(const Fd& socket, const Terms& terms) {
  if (state_ == State::kBegin) state_ = send_hello(socket, terms);
  if (state_ == State::kChallenge && reader_.read(socket, kChallengeBytes))
    state_ = take_challenge(socket, terms);
  if (state_ == State::kVerdict && reader_.read(socket, kVerdictBytes))
    state_ = take_verdict(terms);
  const bool reads = state_ == State::kChallenge || state_ == State::kVerdict;
  if (reads && reader_.error() != 0) state_ = refuse(text_of(reader_.error()));
  return state_;
}

OpenerHandshake::State OpenerHandshake::send_hello(const Fd& socket, const Terms& terms) {
  opener_ = {kProtocolVersion, random_nonce(), terms.encrypts};
  if (!send_at_once(socket, encode(opener_))) return refuse("it takes no greeting");
  return State::kChallenge;
}

OpenerHandshake::State OpenerHandshake::take_challenge(const Fd& socket, const Terms& terms) {
  if (!decode(reader_.message(), owner_) || owner_.version != kProtocolVersion)
    return refuse("what answers there is no Sluice transport of this release");
  const Mac proof = prove(terms.key, Role::kClient, opener_, owner_);
  if (!send_at_once(socket, std::as_bytes(std::span(proof)))) return refuse("it takes no proof");
  return State::kVerdict;
}

OpenerHandshake::State OpenerHandshake::take_verdict(const Terms& terms) {
  const auto verdict = reader_.message().first<kVerdictBytes>();
  if (verdict[0] != std::byte{1}) return refuse("it refuses our proof: it has another key");
  const auto mac = verdict.subspan<8, 32>();
  if (!is_proof(mac, terms.key, Role::kServer, opener_, owner_))
    return refuse("it cannot prove that it has the job's key");
  if (owner_.encrypts != terms.encrypts) return refuse(difference(terms));
  return State::kProved;
}

std::unique_ptr<Encryption> OpenerHandshake::encryption(const Terms& terms) const {
  return make_encryption(terms.key, Role::kClient, opener_, owner_);
}

OpenerHandshake::State OpenerHandshake::refuse(std::string why) {
  complaint_ = std::move(why);
  return State::kRefused;
}

OwnerHandshake::State OwnerHandshake::advance(const Fd& socket, const Terms& terms) {
  if (state_ == State::kHello && reader_.read(socket, kHelloBytes))
    state_ = take_hello(socket, terms);
  if (state_ == State::kProof && reader_.read(socket, kProofBytes))
    state_ = take_proof(socket, terms);
  const bool reads = state_ == State::kHello || state_ == State::kProof;
  if (reads && reader_.error() != 0)
    state_ = refuse(reader_.error() == ECONNRESET ? "it closed before it had proved the key"
                                                  : std::strerror(reader_.error()));
  return state_;
}

OwnerHandshake::State OwnerHandshake::take_hello(const Fd& socket, const Terms& terms) {
  if (!decode(reader_.message(), opener_)) return refuse("its first bytes are not Sluice's");
  if (opener_.version != kProtocolVersion)
    return refuse(fmt::format("it speaks version {} of the handshake, expected {}", opener_.version,
                              kProtocolVersion));
  owner_ = {kProtocolVersion, random_nonce(), terms.encrypts};
  if (!send_at_once(socket, encode(owner_))) return refuse("it takes no answer");
  return State::kProof;
}

OwnerHandshake::State OwnerHandshake::take_proof(const Fd& socket, const Terms& terms) {
  const auto proof = reader_.message().first<kProofBytes>();
  const bool accepted = is_proof(proof, terms.key, Role::kClient, opener_, owner_);
  const Mac mac = prove(terms.key, Role::kServer, opener_, owner_);
  const bool sent = send_at_once(socket, encode_verdict(accepted, mac));
  if (!accepted) return refuse("it does not have the job's key");
  if (opener_.encrypts != terms.encrypts) return refuse(difference(terms));
  return sent ? State::kProved : refuse("it takes no answer");
}

std::unique_ptr<Encryption> OwnerHandshake::encryption(const Terms& terms) const {
  return make_encryption(terms.key, Role::kServer, opener_, owner_);
}

OwnerHandshake::State OwnerHandshake::refuse(std::string why) {
  complaint_ = std::move(why);
  return State::kRefused;
}

}  // namespace sluice::transport::tcp
