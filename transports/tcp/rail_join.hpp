// How a connection becomes one of an opener's rails: TCP, the proof of the key, Join and Joined.
// Does not wait.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "bootstrap/socket.hpp"
#include "transports/tcp/handshake.hpp"
#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

class RailJoin {
 public:
  enum class State { kConnecting, kProving, kJoining, kJoined, kFailed };
  struct Ticket {
    Terms terms{};  // of connections
    std::uint64_t owner = 0;
    std::uint64_t opener = 0;  // a number that the opener has chosen
    std::uint64_t token = 0;   // what its first rail was given; 0: this is the first
    std::uint64_t rail = 0;
  };

  explicit RailJoin(const Ticket& ticket) : ticket_(ticket) {}

  /// Says and takes what can be said and has come. `wire`: with a socket of start_connecting();
  /// once the key is proved it is encrypted, if the terms say so.
  State advance(Wire& wire);
  State state() const { return state_; }
  /// Why, after kFailed.
  const std::string& complaint() const { return complaint_; }
  /// After kJoined: what further rails must know, and how long the way there and back took.
  std::uint64_t token() const { return ticket_.token; }
  std::chrono::nanoseconds round_trip() const { return round_trip_; }

 private:
  using Clock = std::chrono::steady_clock;

  State finish_connecting(const bootstrap::Fd& socket);
  State prove(Wire& wire);
  State send_join(Wire& wire);
  State take_joined(Wire& wire);
  State refused(int error);
  State take_joined(std::span<const std::byte> bytes);
  State fail(std::string why);

  Ticket ticket_;
  State state_ = State::kConnecting;
  OpenerHandshake handshake_;
  MessageReader reader_;
  Clock::time_point asked_at_{};
  std::chrono::nanoseconds round_trip_{};
  std::string complaint_;
};

}  // namespace sluice::transport::tcp
