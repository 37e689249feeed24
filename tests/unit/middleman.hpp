// Somebody on the way between two ends: reads all that they say, and changes it if a test wants.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bootstrap/authentication.hpp"
#include "bootstrap/little_endian.hpp"
#include "bootstrap/records.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::bootstrap::test {

class Middleman {
 public:
  using Bytes = std::vector<std::byte>;
  /// One message of the handshake, or what follows it: an encrypted record, or as much as came at
  /// once where nothing is encrypted.
  struct Piece {
    bool to_server;
    std::size_t number;  // in its direction: 0 greeting, 1 proof or verdict, then what follows
    Bytes bytes;
  };
  /// What is to be forwarded instead; nothing: the piece is lost.
  using Edit = std::function<std::vector<Bytes>(const Piece&)>;

  /// Connects to `to` for each connection. `encrypted`: records follow the handshake.
  Middleman(const Address& to, bool encrypted, const Address& at = Address{}.loopback())
      : listener_(listen_on(at).fd), to_(to), encrypted_(encrypted), thread_([this] { run(); }) {
    EXPECT_TRUE(listener_.valid());
  }
  ~Middleman() {
    stopping_ = true;
    thread_.join();
  }

  Address address() const { return local_address(listener_).value(); }
  /// From now.
  void edit(Edit edit) {
    const std::lock_guard lock(mutex_);
    edit_ = std::move(edit);
  }
  /// Ends all connections as soon as what has been said is forwarded. Also from within an Edit.
  void cut() { cut_ = true; }
  /// Whether this went over the wire, either way.
  bool saw(std::string_view text) const {
    const std::lock_guard lock(mutex_);
    const auto* wanted = reinterpret_cast<const std::byte*>(text.data());
    return std::any_of(seen_.begin(), seen_.end(), [&](const Bytes& one) {
      return std::search(one.begin(), one.end(), wanted, wanted + text.size()) != one.end();
    });
  }
  std::size_t bytes_seen() const {
    const std::lock_guard lock(mutex_);
    std::size_t sum = 0;
    for (const Bytes& one : seen_) sum += one.size();
    return sum;
  }

 private:
  struct Way {
    const Fd* from;
    const Fd* to;
    bool to_server;
    Bytes* seen;
    Bytes held{};  // the beginning of a piece
    std::size_t pieces = 0;
  };
  struct Connection {
    Fd client, server;
    Way ways[2];
    bool closed = false;
  };

  void run() {
    while (!stopping_) {
      std::vector<pollfd> entries{{listener_.get(), POLLIN, 0}};
      for (const Connection& one : connections_)
        for (const Way& way : one.ways) entries.push_back({way.from->get(), POLLIN, 0});
      ::poll(entries.data(), entries.size(), 5);
      accept();
      for (Connection& one : connections_)
        one.closed = !move(one.ways[0]) || !move(one.ways[1]) || cut_;
      connections_.remove_if([](const Connection& one) { return one.closed; });
    }
  }
  void accept() {
    Address peer;
    auto accepted = accept_from(listener_, peer);
    if (!accepted.fd.valid()) return;
    auto opened = connect_to(to_, Deadline::after(std::chrono::seconds(10)));
    if (!opened.fd.valid()) return;
    const std::lock_guard lock(mutex_);
    Connection& made =
        connections_.emplace_back(Connection{std::move(accepted.fd), std::move(opened.fd), {}});
    made.ways[0] = {&made.client, &made.server, true, &seen_.emplace_back()};
    made.ways[1] = {&made.server, &made.client, false, &seen_.emplace_back()};
  }
  bool move(Way& way) {
    Bytes chunk(64 << 10);
    const ssize_t received = ::recv(way.from->get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (received < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (received == 0) return false;
    chunk.resize(static_cast<std::size_t>(received));
    const std::lock_guard lock(mutex_);
    way.seen->insert(way.seen->end(), chunk.begin(), chunk.end());
    way.held.insert(way.held.end(), chunk.begin(), chunk.end());
    for (std::size_t bytes; (bytes = next_piece(way)) != 0;) {
      const auto end = way.held.begin() + static_cast<std::ptrdiff_t>(bytes);
      const Piece piece{way.to_server, way.pieces++, Bytes(way.held.begin(), end)};
      way.held.erase(way.held.begin(), end);
      const auto instead = edit_ ? edit_(piece) : std::vector<Bytes>{piece.bytes};
      for (const Bytes& each : instead)
        if (send_all(*way.to, each, Deadline::after(std::chrono::seconds(10))) != 0) return false;
      if (cut_) return false;
    }
    return true;
  }
  /// How long the piece is that is held whole; 0: none is.
  std::size_t next_piece(const Way& way) const {
    std::size_t bytes = way.held.size();
    if (way.pieces == 0) bytes = kHelloBytes;
    if (way.pieces == 1) bytes = way.to_server ? kProofBytes : kVerdictBytes;
    if (way.pieces > 1 && encrypted_) {
      if (way.held.size() < kRecordLengthBytes) return 0;
      bytes = kRecordOverheadBytes + load_u32(way.held.data());
    }
    return way.held.size() < bytes ? 0 : bytes;
  }

  const Fd listener_;
  const Address to_;
  const bool encrypted_;
  std::atomic<bool> stopping_ = false, cut_ = false;
  mutable std::mutex mutex_;
  Edit edit_;
  std::list<Bytes> seen_;  // by connection and direction
  std::list<Connection> connections_;
  std::thread thread_;
};

/// Turns encryption on or off in what both ends greet each other with.
inline Middleman::Edit greetings_say(bool to_server_encrypts, bool to_client_encrypts) {
  return [=](const Middleman::Piece& piece) -> std::vector<Middleman::Bytes> {
    Middleman::Bytes bytes = piece.bytes;
    const bool encrypts = piece.to_server ? to_server_encrypts : to_client_encrypts;
    if (piece.number == 0) store_u32(bytes.data() + 12, encrypts ? 1 : 0);
    return {bytes};
  };
}

}  // namespace sluice::bootstrap::test
