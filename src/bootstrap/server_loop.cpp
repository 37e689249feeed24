#include "bootstrap/server_loop.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"

namespace sluice::bootstrap {
namespace {

constexpr int kAcceptsPerTurn = 64;
constexpr int kMaxWarnings = 256;
constexpr std::chrono::milliseconds kLastWordsPatience{200};

}  // namespace

void ServerLoop::run() {
  while (!stopping_.load() && !job_.over()) {
    poll_once();
    // Before the welcome goes out: whoever reads it may start the next job on this port at once.
    if (job_.complete() && setup_.close_when_complete) setup_.listener.reset();
    expire_strangers();
    flush_and_sweep();
  }
  setup_.listener.reset();
  say_last_words();
  connections_.clear();
}

void ServerLoop::stop() {
  stopping_.store(true);
  signal_wake_event(wake_);
}

void ServerLoop::poll_once() {
  const bool accepting = setup_.listener.valid() && accept_again_.passed();
  polled_.clear();
  polled_.push_back({wake_.get(), POLLIN, 0});
  polled_.push_back({accepting ? setup_.listener.get() : -1, POLLIN, 0});
  for (const auto& connection : connections_) {
    const short events = connection->stream.has_outgoing() ? POLLIN | POLLOUT : POLLIN;
    polled_.push_back({connection->stream.socket().get(), events, 0});
  }
  if (::poll(polled_.data(), polled_.size(), milliseconds_to_wait()) <= 0) return;
  if (polled_[0].revents != 0) clear_wake_event(wake_);
  const std::size_t present = connections_.size();
  for (std::size_t i = 0; i < present; ++i) {
    if ((polled_[i + 2].revents & ~POLLOUT) != 0) receive_from(*connections_[i]);
  }
  if (polled_[1].revents != 0) accept_waiting();
}

int ServerLoop::milliseconds_to_wait() const {
  int wait = -1;
  const auto at_most = [&wait](int milliseconds) {
    wait = wait < 0 ? milliseconds : std::min(wait, milliseconds);
  };
  if (!accept_again_.passed()) at_most(accept_again_.milliseconds_left());
  for (const auto& connection : connections_) {
    if (connection->is_stranger()) at_most(connection->until.milliseconds_left());
  }
  return wait;
}

void ServerLoop::accept_waiting() {
  for (int turn = 0; turn < kAcceptsPerTurn; ++turn) {
    Address peer;
    OpenResult accepted = accept_from(setup_.listener, peer);
    if (!accepted.fd.valid()) {
      if (accepted.error == EMFILE || accepted.error == ENFILE || accepted.error == ENOMEM) {
        log::warn("rendezvous: a connection waits: {}", std::strerror(accepted.error));
        accept_again_ = Deadline::after(std::chrono::milliseconds(100));
      }
      return;
    }
    make_room_for_stranger();
    connections_.push_back(std::make_unique<Connection>(std::move(accepted.fd), peer.text(),
                                                        Deadline::after(kStrangerPatience)));
  }
}

void ServerLoop::make_room_for_stranger() {
  std::size_t strangers = 0;
  Connection* oldest = nullptr;
  for (const auto& connection : connections_) {
    if (!connection->is_stranger() || connection->dead) continue;
    if (strangers++ == 0) oldest = connection.get();
  }
  if (strangers >= kMaxStrangers)
    drop(*oldest, "too many connections wait to prove themselves; the oldest goes");
}

void ServerLoop::receive_from(Connection& connection) {
  using State = Connection::State;
  if (connection.dead) return;
  if (connection.state == State::kClosing) return discard(connection);
  if (connection.state == State::kHello || connection.state == State::kProof) {
    while (!connection.dead && advance_handshake(connection)) {
    }
    if (connection.state != State::kRegister) return;
  }
  take_frames(connection);
}

/// Reads towards the next handshake message; true when one was complete and more may follow.
bool ServerLoop::advance_handshake(Connection& connection) {
  using State = Connection::State;
  if (connection.state != State::kHello && connection.state != State::kProof) return false;
  const std::size_t wanted = connection.state == State::kHello ? kHelloBytes : kProofBytes;
  const auto received = ::recv(connection.stream.socket().get(),
                               connection.handshake.data() + connection.handshake_bytes,
                               wanted - connection.handshake_bytes, 0);
  if (received < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
      drop(connection, std::strerror(errno));
    return false;
  }
  if (received == 0) {
    drop(connection, "it closed before it had proved the job's secret");
    return false;
  }
  connection.handshake_bytes += static_cast<std::size_t>(received);
  if (connection.handshake_bytes < wanted) return true;
  connection.handshake_bytes = 0;
  if (connection.state == State::kHello) {
    take_hello(connection);
  } else {
    take_proof(connection);
  }
  return true;
}

void ServerLoop::take_hello(Connection& connection) {
  Greeting hello;
  if (!decode(std::span<const std::byte, kHelloBytes>(connection.handshake), hello)) {
    return drop(connection, "its first bytes are not Sluice's");
  }
  connection.client = hello;
  // As the client wishes: whether all ranks wish the same is for the job to see, which knows them
  // by name.
  connection.server = {kProtocolVersion, random_nonce(), hello.encrypts};
  const HelloBytes challenge = encode(connection.server);
  auto bytes = std::make_shared<Bytes>(challenge.begin(), challenge.end());
  if (hello.version == kProtocolVersion) {
    connection.stream.queue(std::move(bytes));
    connection.state = Connection::State::kProof;
    return;
  }
  const std::string why = fmt::format("it speaks version {} of the rendezvous, this server {}",
                                      hello.version, kProtocolVersion);
  warn_refused(connection, why);
  job_.remark(fmt::format("{}: {}", connection.peer, why));
  close_with(connection, std::move(bytes));
}

void ServerLoop::take_proof(Connection& connection) {
  const auto proof =
      std::span<const std::byte, kHelloBytes>(connection.handshake).first<kProofBytes>();
  const bool accepted =
      is_proof(proof, setup_.secret, Role::kClient, connection.client, connection.server);
  const Mac mac = prove(setup_.secret, Role::kServer, connection.client, connection.server);
  const VerdictBytes verdict = encode_verdict(accepted, mac);
  auto bytes = std::make_shared<Bytes>(verdict.begin(), verdict.end());
  if (accepted) {
    connection.stream.queue(std::move(bytes));
    connection.stream.encrypt(
        make_encryption(setup_.secret, Role::kServer, connection.client, connection.server));
    connection.stream.reader().only_accept(FrameType::kRegister);
    connection.state = Connection::State::kRegister;
    return;
  }
  warn_refused(connection, "it does not know the job's secret");
  job_.remark(fmt::format("{} does not know the job's secret", connection.peer));
  close_with(connection, std::move(bytes));
}

void ServerLoop::take_frames(Connection& connection) {
  const auto received = connection.stream.receive();
  const int os_error = errno;
  while (!connection.dead && connection.state != Connection::State::kClosing) {
    const auto frame = connection.stream.reader().next();
    if (!frame) break;
    job_.handle(connection, *frame);
  }
  if (connection.dead || connection.state == Connection::State::kClosing) return;
  switch (received) {
    case FrameStream::Received::kOk: return;
    case FrameStream::Received::kClosed:
      return drop(connection, "its connection closed without its having left");
    case FrameStream::Received::kFailed: return drop(connection, std::strerror(os_error));
    case FrameStream::Received::kMalformed:
      return drop(connection, connection.stream.reader().complaint());
  }
}

void ServerLoop::discard(Connection& connection) {
  std::array<std::byte, 4096> waste;
  const auto received = ::recv(connection.stream.socket().get(), waste.data(), waste.size(), 0);
  if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR)) connection.dead = true;
}

void ServerLoop::drop(Connection& connection, const std::string& why) {
  connection.dead = true;
  if (connection.state == Connection::State::kMember) return job_.member_gone(connection, why);
  if (connection.state != Connection::State::kClosing) warn_refused(connection, why);
}

void ServerLoop::expire_strangers() {
  for (const auto& connection : connections_) {
    if (connection->dead || !connection->is_stranger() || !connection->until.passed()) continue;
    drop(*connection, fmt::format("it did not prove the job's secret and register within {} s",
                                  kStrangerPatience.count()));
  }
}

void ServerLoop::flush_and_sweep() {
  // A member found dead while flushing makes news for the others, so again until nobody else is.
  for (bool changed = true; changed;) {
    for (const auto& connection : connections_) flush(*connection);
    // Only now: a rank that leaves may end its process as soon as it sees this, and by then the
    // others must have been told.
    for (const auto& connection : connections_) finish(*connection);
    changed =
        std::erase_if(connections_, [](const auto& connection) { return connection->dead; }) > 0;
  }
}

void ServerLoop::flush(Connection& connection) {
  if (connection.dead) return;
  if (const int error = connection.stream.flush()) return drop(connection, std::strerror(error));
}

/// Ends our half of a connection that is being closed: the peer reads to the end and closes, and
/// discard() sees that.
void ServerLoop::finish(Connection& connection) {
  if (connection.dead || connection.state != Connection::State::kClosing) return;
  if (connection.stream.has_outgoing() || connection.shut_down) return;
  connection.shut_down = true;
  ::shutdown(connection.stream.socket().get(), SHUT_WR);
}

void ServerLoop::say_last_words() {
  job_.end();
  const Deadline deadline = Deadline::after(kLastWordsPatience);
  for (;;) {
    flush_and_sweep();
    polled_.clear();
    for (const auto& connection : connections_) {
      if (connection->stream.has_outgoing())
        polled_.push_back({connection->stream.socket().get(), POLLOUT, 0});
    }
    if (polled_.empty() || deadline.passed()) return;
    ::poll(polled_.data(), polled_.size(), deadline.milliseconds_left());
  }
}

void ServerLoop::warn_refused(const Connection& connection, const std::string& why) {
  // Whoever floods the port must not flood the log.
  if (++warnings_ > kMaxWarnings) return;
  log::warn("rendezvous on {}: refused {}: {}{}", setup_.address.text(), connection.peer, why,
            warnings_ == kMaxWarnings ? " (further refusals are not logged)" : "");
}

}  // namespace sluice::bootstrap
