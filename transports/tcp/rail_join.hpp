// How a connection becomes one of an opener's rails: TCP, the proof of the key, Join and Joined.
// Does not wait.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "bootstrap/authentication.hpp"
#include "bootstrap/socket.hpp"
#include "transports/tcp/handshake.hpp"

namespace sluice::transport::tcp {

class RailJoin {
 public:
  enum class State { kConnecting, kProving, kJoining, kJoined, kFailed };
  struct Ticket {
    bootstrap::Secret key{};  // of connections
    std::uint64_t owner = 0;
    std::uint64_t opener = 0;  // a number that the opener has chosen
    std::uint64_t token = 0;   // what its first rail was given; 0: this is the first
    std::uint64_t rail = 0;
  };

  explicit RailJoin(const Ticket& ticket) : ticket_(ticket) {}

  /// Says and takes what can be said and has come. `socket`: of start_connecting().
  State advance(const bootstrap::Fd& socket);
  State state() const { return state_; }
  /// Why, after kFailed.
  const std::string& complaint() const { return complaint_; }
  /// After kJoined: what further rails must know, and how long the way there and back took.
  std::uint64_t token() const { return ticket_.token; }
  std::chrono::nanoseconds round_trip() const { return round_trip_; }

 private:
  using Clock = std::chrono::steady_clock;

  State finish_connecting(const bootstrap::Fd& socket);
  State prove(const bootstrap::Fd& socket);
  State send_join(const bootstrap::Fd& socket);
  State take_joined(const bootstrap::Fd& socket);
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
