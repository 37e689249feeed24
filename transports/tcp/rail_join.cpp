#include "transports/tcp/rail_join.hpp"

#include <poll.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/deadline.hpp"
#include "transports/tcp/frame.hpp"

namespace sluice::transport::tcp {

using bootstrap::Fd;

RailJoin::State RailJoin::advance(const Fd& socket) {
  if (state_ == State::kConnecting) state_ = finish_connecting(socket);
  if (state_ == State::kProving) state_ = prove(socket);
  if (state_ == State::kJoining) state_ = take_joined(socket);
  return state_;
}

RailJoin::State RailJoin::finish_connecting(const Fd& socket) {
  const Deadline now = Deadline::after(std::chrono::nanoseconds(0));
  if (bootstrap::wait_until_ready(socket, POLLOUT, now) == ETIMEDOUT) return State::kConnecting;
  const int error = bootstrap::connection_error(socket);
  return error == 0 ? State::kProving : fail(std::strerror(error));
}

RailJoin::State RailJoin::prove(const Fd& socket) {
  switch (handshake_.advance(socket, ticket_.key)) {
    case OpenerHandshake::State::kProved: return send_join(socket);
    case OpenerHandshake::State::kRefused: return fail(handshake_.complaint());
    default: return State::kProving;
  }
}

RailJoin::State RailJoin::send_join(const Fd& socket) {
  const HeaderBytes join =
      encode({FrameType::kJoin, ticket_.token, ticket_.opener, ticket_.owner, ticket_.rail});
  asked_at_ = Clock::now();
  // Fits a new socket's buffer.
  const int error = bootstrap::send_all(socket, join, Deadline::after(std::chrono::nanoseconds(0)));
  return error == 0 ? State::kJoining : fail(std::strerror(error));
}

RailJoin::State RailJoin::take_joined(const Fd& socket) {
  if (!reader_.read(socket, kHeaderBytes)) {
    const int error = reader_.error();
    if (error == 0) return State::kJoining;
    return fail(error == ECONNRESET ? "it refused the connection as a rail" : std::strerror(error));
  }
  HeaderBytes bytes;
  std::memcpy(bytes.data(), reader_.message().data(), bytes.size());
  FrameHeader answer;
  if (std::string complaint = decode(bytes, answer); !complaint.empty())
    return fail("it sent " + std::move(complaint));
  const bool fits = answer.type == FrameType::kJoined && answer.sequence != 0 &&
                    (ticket_.token == 0 || answer.sequence == ticket_.token) &&
                    answer.region == ticket_.opener && answer.offset == ticket_.owner &&
                    answer.amount == ticket_.rail;
  if (!fits) return fail("its answer to the join does not fit");
  ticket_.token = answer.sequence;
  round_trip_ = Clock::now() - asked_at_;
  return State::kJoined;
}

RailJoin::State RailJoin::fail(std::string why) {
  complaint_ = std::move(why);
  return State::kFailed;
}

}  // namespace sluice::transport::tcp
