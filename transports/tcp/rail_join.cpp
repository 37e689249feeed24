#include "transports/tcp/rail_join.hpp"

#include <poll.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/deadline.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/send_batch.hpp"

namespace sluice::transport::tcp {

using bootstrap::Fd;

RailJoin::State RailJoin::advance(Wire& wire) {
  if (state_ == State::kConnecting) state_ = finish_connecting(wire.socket);
  if (state_ == State::kProving) state_ = prove(wire);
  if (state_ == State::kJoining) state_ = take_joined(wire);
  return state_;
}

RailJoin::State RailJoin::finish_connecting(const Fd& socket) {
  const Deadline now = Deadline::after(std::chrono::nanoseconds(0));
  if (bootstrap::wait_until_ready(socket, POLLOUT, now) == ETIMEDOUT) return State::kConnecting;
  const int error = bootstrap::connection_error(socket);
  return error == 0 ? State::kProving : fail(std::strerror(error));
}

RailJoin::State RailJoin::prove(Wire& wire) {
  switch (handshake_.advance(wire.socket, ticket_.terms)) {
    case OpenerHandshake::State::kProved:
      wire.encryption = handshake_.encryption(ticket_.terms);
      return send_join(wire);
    case OpenerHandshake::State::kRefused: return fail(handshake_.complaint());
    default: return State::kProving;
  }
}

RailJoin::State RailJoin::send_join(Wire& wire) {
  SendBatch batch;
  batch.add({FrameType::kJoin, ticket_.token, ticket_.opener, ticket_.owner, ticket_.rail}, {});
  asked_at_ = Clock::now();
  // Fits a new socket's buffer.
  while (!batch.empty())
    if (const int error = batch.send_some(wire)) return fail(std::strerror(error));
  return State::kJoining;
}

RailJoin::State RailJoin::take_joined(Wire& wire) {
  if (!wire.encryption) {
    if (reader_.read(wire.socket, kHeaderBytes))
      return take_joined(reader_.message().first<kHeaderBytes>());
    return reader_.error() == 0 ? State::kJoining : refused(reader_.error());
  }
  bootstrap::RecordReader& in = wire.encryption->in;
  const ssize_t received = in.receive(wire.socket);
  const int error = received == 0 ? ECONNRESET : errno;
  const bool none_yet = error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
  if (received <= 0) return none_yet ? State::kJoining : refused(error);
  const std::span<const std::byte> answer = in.next();
  if (!in.complaint().empty()) return fail("it sent " + in.complaint());
  return answer.empty() ? State::kJoining : take_joined(answer);
}

RailJoin::State RailJoin::refused(int error) {
  return fail(error == ECONNRESET ? "it refused the connection as a rail" : std::strerror(error));
}

RailJoin::State RailJoin::take_joined(std::span<const std::byte> answered) {
  HeaderBytes bytes;
  if (answered.size() != bytes.size()) return fail("its answer to the join does not fit");
  std::memcpy(bytes.data(), answered.data(), bytes.size());
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
