#include "transports/tcp/outgoing.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "channel/memory_channel.hpp"

namespace sluice::transport::tcp {
namespace {

constexpr int kReceivesPerTurn = 4;  // then the next connection's turn

/// The frames of one call in their order: those of each put, then the signals.
class PutFrames {
 public:
  PutFrames(const RemoteRegion& region, std::span<const Put> puts, std::span<const Signal> signals)
      : region_(region), puts_(puts), signals_(signals) {
    skip_done();
  }
  bool done() const { return puts_.empty() && signals_.empty(); }
  void add_next(SendBatch& batch, std::uint64_t sequence) {
    if (!puts_.empty()) return add_piece(batch, sequence);
    const Signal& signal = signals_.front();
    batch.add({FrameType::kSignal, sequence, region_.number, signal.offset, signal.n}, {});
    signals_ = signals_.subspan(1);
  }

 private:
  void add_piece(SendBatch& batch, std::uint64_t sequence) {
    const Put& put = puts_.front();
    const Cut::Piece piece = cut_.next();
    batch.add({FrameType::kPut, sequence, region_.number, put.offset + piece.offset, piece.bytes},
              put.bytes.subspan(piece.offset, piece.bytes));
    if (!cut_.done()) return;
    puts_ = puts_.subspan(1);
    skip_done();
  }
  /// To the next put that is not empty.
  void skip_done() {
    while (!puts_.empty() && puts_.front().bytes.empty()) puts_ = puts_.subspan(1);
    if (!puts_.empty()) cut_ = Cut(0, puts_.front().bytes.size());
  }

  const RemoteRegion& region_;
  std::span<const Put> puts_;
  std::span<const Signal> signals_;
  Cut cut_;
};

bool inside(const RemoteRegion& region, std::uint64_t offset, std::uint64_t bytes) {
  return Window{nullptr, region.bytes}.contains(offset, bytes);
}

}  // namespace

Outgoing::Outgoing(bootstrap::Fd socket, std::string peer, std::chrono::nanoseconds timeout)
    : socket_(std::move(socket)), peer_(std::move(peer)), timeout_(timeout) {}

std::string Outgoing::Operation::text() const {
  return fmt::format("{} of {} bytes at offset {} of region {}", verb, bytes, offset, region);
}

Status Outgoing::put(const RemoteRegion& region, std::span<const Put> puts,
                     std::span<const Signal> signals) noexcept {
  Operation operation{"batch of puts", 0, 0, region.number};
  for (const Put& put : puts) {
    const Operation one{"put", put.bytes.size(), put.offset, region.number};
    if (!inside(region, put.offset, put.bytes.size())) return out_of_range(one, region);
    operation.bytes += put.bytes.size();
    if (puts.size() == 1) operation = one;
  }
  for (const Signal& signal : signals) {
    const Operation one{"signal", sizeof(std::uint64_t), signal.offset, region.number};
    if (signal.offset % sizeof(std::uint64_t) != 0 || !inside(region, one.offset, one.bytes))
      return out_of_range(one, region);
    if (puts.empty()) operation = one;
  }
  SLUICE_TRY(usable(operation));
  for (PutFrames frames(region, puts, signals); !frames.done();) {
    const std::lock_guard turn(send_turn_);
    SendBatch batch;
    while (!batch.full() && !frames.done()) frames.add_next(batch, ++sequence_);
    if (const int error = transmit(batch, timeout_)) return sending_failed(error, operation);
  }
  return {};
}

Status Outgoing::get(const RemoteRegion& region, std::uint64_t offset,
                     std::span<std::byte> bytes) noexcept {
  const Operation operation{"get", bytes.size(), offset, region.number};
  if (!inside(region, offset, bytes.size())) return out_of_range(operation, region);
  if (bytes.empty()) return usable(operation);
  return ask({FrameType::kGet, 0, region.number, offset, bytes.size()}, bytes, timeout_, operation);
}

Status Outgoing::open(std::uint64_t owner, const RemoteRegion& region, Deadline deadline) {
  return ask({FrameType::kOpen, 0, region.number, owner, region.bytes}, {},
             deadline.at() - Deadline::Clock::now(), {"open", region.bytes, 0, region.number});
}

Status Outgoing::flush(const RemoteRegion& region) noexcept {
  return usable({"flush", region.bytes, 0, region.number});
}

/// Sends all of the batch. 0 or an errno; ETIMEDOUT when nothing moved for `patience`.
int Outgoing::transmit(SendBatch& batch, std::chrono::nanoseconds patience) {
  while (!batch.empty()) {
    const int error = batch.send_some(socket_);
    if (error == 0) continue;
    if (error != EAGAIN) return error;
    // The progress thread goes on receiving meanwhile, so two ranks that both wait here end.
    if (const int waited = bootstrap::wait_until_ready(socket_, POLLOUT, Deadline::after(patience)))
      return waited;
  }
  return 0;
}

/// Sends a request and waits for its answer.
Status Outgoing::ask(FrameHeader header, std::span<std::byte> out,
                     std::chrono::nanoseconds patience, const Operation& operation) {
  const std::lock_guard one_at_a_time(ask_turn_);
  SLUICE_TRY(usable(operation));
  {
    const std::lock_guard turn(send_turn_);
    header.sequence = ++sequence_;
    {
      const Lock lock(mutex_);
      request_.start(header, out);
    }
    SendBatch batch;
    batch.add(header, {});
    if (const int error = transmit(batch, patience)) return sending_failed(error, operation);
  }
  Lock lock(mutex_);
  const auto over = [this] { return request_.done() || failed(); };
  for (std::uint64_t before = ~0ull; !over() && before != request_.received_bytes();) {
    before = request_.received_bytes();
    changed_.wait_until(lock, Deadline::after(patience).at(), over);
  }
  if (request_.done()) {
    request_.stop();
    return {};
  }
  if (!failed())
    note_failure(
        lock, Errc::kTimeout,
        fmt::format("waited {} ms for an answer",
                    std::chrono::duration_cast<std::chrono::milliseconds>(patience).count()));
  lock.unlock();
  return report(operation);
}

bool Outgoing::ready() {
  const Lock lock(mutex_);
  for (int turn = 0; turn < kReceivesPerTurn; ++turn) {
    // After a failure the memory of a get may be gone: nothing is received any more.
    if (failed()) return false;
    const Received received = receive_some(socket_, reader_);
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
        log::warn("tcp: {} sent {}; the connection is closed", peer_, reader_.complaint());
        note_failure(lock, Errc::kRemoteError, "it sent " + reader_.complaint());
        return false;
    }
    if (request_.done()) changed_.notify_all();
    if (received == Received::kAll) break;
  }
  return true;
}

void Outgoing::leave(Deadline deadline) noexcept {
  if (generation_ != bootstrap::fork_generation()) return;
  if (!failed()) {
    const std::lock_guard turn(send_turn_);
    SendBatch batch;
    batch.add({FrameType::kBye, ++sequence_, 0, 0, 0}, {});
    if (const int error = transmit(batch, deadline.at() - Deadline::Clock::now()))
      log::debug("tcp: no goodbye to {}: {}", peer_, std::strerror(error));
  }
  const Lock lock(mutex_);
  note_failure(lock, Errc::kInvalidUsage, "this rank has closed the connection");
}

Status Outgoing::usable(const Operation& operation) {
  if (generation_ != bootstrap::fork_generation()) {
    set_last_error(fmt::format("tcp: {} at {}: the connection is the parent process's",
                               operation.text(), peer_));
    return {Errc::kInvalidUsage, "a connection of the parent process"};
  }
  return failed() ? report(operation) : Status();
}

Status Outgoing::out_of_range(const Operation& operation, const RemoteRegion& region) {
  // Not logged: nothing has happened, and the caller may have meant to ask.
  set_last_error(
      fmt::format("tcp: {} at {}: the region has {} bytes", operation.text(), peer_, region.bytes));
  return {Errc::kInvalidArgument, "offset or size outside the peer's region"};
}

Status Outgoing::sending_failed(int error, const Operation& operation) {
  {
    const Lock lock(mutex_);
    if (error == ETIMEDOUT)
      note_failure(lock, Errc::kTimeout, "it has taken no byte for too long", error);
    else
      note_failure(lock, Errc::kRemoteError, std::strerror(error), error);
  }
  return report(operation);
}

void Outgoing::note_failure(const Lock&, Errc code, std::string text, int os_error) {
  if (failed()) return;
  failure_ = Status(code, "a connection to a peer has failed", os_error);
  failure_text_ = std::move(text);
  failed_.store(true, std::memory_order_release);
  // Wakes senders that wait for room, and tells the progress thread to let go.
  ::shutdown(socket_.get(), SHUT_RDWR);
  changed_.notify_all();
}

Status Outgoing::report(const Operation& operation) {
  const Lock lock(mutex_);
  std::string text = fmt::format("tcp: {} at {}: {}", operation.text(), peer_, failure_text_);
  // The caller knows whether it is an error: who asks after a peer may find that it has left.
  if (!std::exchange(reported_, true)) log::debug("{}", text);
  set_last_error(std::move(text));
  return failure_;
}

}  // namespace sluice::transport::tcp
