#include "transports/tcp/outgoing_connection.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.hpp"

namespace sluice::transport::tcp {
namespace {

constexpr int kReceivesPerTurn = 4;  // then the next connection's turn

}  // namespace

OutgoingConnection::OutgoingConnection(Wire wire, std::string peer,
                                       std::chrono::nanoseconds timeout, Progress& progress)
    : Outgoing(std::move(peer), timeout), progress_(progress), wire_(std::move(wire)) {}

Status OutgoingConnection::send(PutFrames frames, const Operation& operation) {
  while (!frames.done()) {
    const std::lock_guard turn(send_turn_);
    SendBatch batch;
    while (!batch.full() && !frames.done()) {
      const PutFrames::Frame frame = frames.next(++sequence_, kMaxPayloadBytes);
      batch.add(frame.header, frame.payload);
    }
    if (const int error = transmit(batch, timeout())) return sending_failed(error, operation);
  }
  return {};
}

Status OutgoingConnection::send_request(FrameHeader header, std::span<std::byte> out,
                                        std::chrono::nanoseconds patience,
                                        const Operation& operation) {
  const std::lock_guard turn(send_turn_);
  header.sequence = ++sequence_;
  {
    const Lock lock(mutex_);
    request_.start(header, out);
  }
  SendBatch batch;
  batch.add(header, {});
  const int error = transmit(batch, patience);
  return error == 0 ? Status() : sending_failed(error, operation);
}

/// Sends all of the batch. 0 or an errno; ETIMEDOUT when nothing moved for `patience`.
int OutgoingConnection::transmit(SendBatch& batch, std::chrono::nanoseconds patience) {
  while (!batch.empty()) {
    int error = batch.send_some(wire_);
    if (error == EAGAIN) error = transmit_and_receive(batch);
    // The progress thread receives from here on.
    if (error == EAGAIN)
      error = bootstrap::wait_until_ready(wire_.socket, POLLOUT, Deadline::after(patience));
    if (error != 0) return error;
  }
  return 0;
}

/// Two ranks that send each other more than their sockets hold end only if both receive meanwhile.
/// EAGAIN when there was no room for a while.
int OutgoingConnection::transmit_and_receive(SendBatch& batch) {
  int error = EAGAIN;
  for (const Deadline end = Deadline::after(Progress::kPollingTime);
       error == EAGAIN && !failed() && !end.passed();) {
    progress_.poll({});
    error = batch.send_some(wire_);
  }
  return error;
}

bool OutgoingConnection::ready() {
  const Lock lock(mutex_);
  for (int turn = 0; turn < kReceivesPerTurn; ++turn) {
    // After a failure the memory of a get may be gone: nothing is received any more.
    if (failed()) return false;
    const Received received = receive_some(wire_, reader_);
    const int os_error = errno;
    switch (received) {
      case Received::kAll:
      case Received::kMore: break;
      case Received::kClosed:
        note_failure(lock, Errc::kRemoteError, "it has closed the connection or ended");
        return false;
      case Received::kFailed:
        note_failure(lock, Errc::kRemoteError, std::strerror(os_error), os_error);
        return false;
      case Received::kMalformed:
        log::warn("tcp: {} sent {}; the connection is closed", peer(), reader_.complaint());
        note_failure(lock, Errc::kRemoteError, "it sent " + reader_.complaint());
        return false;
    }
    if (request_.done()) changed_.notify_all();
    if (received == Received::kAll) break;
  }
  return true;
}

void OutgoingConnection::say_bye(Deadline deadline) {
  const std::lock_guard turn(send_turn_);
  SendBatch batch;
  batch.add({FrameType::kBye, ++sequence_, 0, 0, 0}, {});
  if (const int error = transmit(batch, deadline.at() - Deadline::Clock::now()))
    log::debug("tcp: no goodbye to {}: {}", peer(), std::strerror(error));
}

Status OutgoingConnection::sending_failed(int error, const Operation& operation) {
  {
    const Lock lock(mutex_);
    if (error == ETIMEDOUT)
      note_failure(lock, Errc::kTimeout, "it has taken no byte for too long", error);
    else
      note_failure(lock, Errc::kRemoteError, std::strerror(error), error);
  }
  return report(operation);
}

void OutgoingConnection::hang_up(const Lock&) {
  // Wakes senders that wait for room, and tells the progress thread to let go.
  ::shutdown(wire_.socket.get(), SHUT_RDWR);
}

}  // namespace sluice::transport::tcp
