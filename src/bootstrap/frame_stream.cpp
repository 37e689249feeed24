#include "bootstrap/frame_stream.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace sluice::bootstrap {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{64} << 10;

}  // namespace

void FrameStream::encrypt(std::unique_ptr<Encryption> encryption) {
  encryption_ = std::move(encryption);
  queued_plain_ = outgoing_.size();
}

int FrameStream::flush() {
  while (!outgoing_.empty()) {
    const int error = encryption_ && queued_plain_ == 0 ? send_sealed() : send_plain();
    if (error == EAGAIN) return 0;
    if (error != 0) return error;
  }
  return 0;
}

/// One system call. 0 or an errno; EAGAIN: no room now.
int FrameStream::send_plain() {
  const Bytes& front = *outgoing_.front();
  const auto count = ::send(socket_.get(), front.data() + front_sent_bytes_,
                            front.size() - front_sent_bytes_, MSG_NOSIGNAL);
  if (count < 0 && errno == EINTR) return 0;
  if (count < 0) return errno == EWOULDBLOCK ? EAGAIN : errno;
  sent(static_cast<std::size_t>(count));
  return 0;
}

int FrameStream::send_sealed() {
  RecordWriter& out = encryption_->out;
  if (!out.pending()) {
    const Bytes& front = *outgoing_.front();
    // Only read: an iovec cannot say so.
    const iovec rest{const_cast<std::byte*>(front.data()) + front_sent_bytes_,
                     front.size() - front_sent_bytes_};
    out.seal({&rest, 1});
  }
  std::size_t carried = 0;
  const int error = out.send(socket_, carried);
  if (carried > 0) sent(carried);
  return error;
}

void FrameStream::sent(std::size_t bytes) {
  front_sent_bytes_ += bytes;
  if (front_sent_bytes_ < outgoing_.front()->size()) return;
  outgoing_.pop_front();
  front_sent_bytes_ = 0;
  if (queued_plain_ > 0) --queued_plain_;
}

FrameStream::Received FrameStream::receive() {
  constexpr int kReadsPerTurn = 8;
  for (int turn = 0; turn < kReadsPerTurn; ++turn) {
    const auto received = encryption_ ? receive_sealed() : receive_plain();
    if (received == 0) return Received::kClosed;
    if (received < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Received::kOk : Received::kFailed;
    }
    if (!reader_.complaint().empty()) return Received::kMalformed;
    if (static_cast<std::size_t>(received) < kChunkBytes) return Received::kOk;
  }
  return Received::kOk;
}

/// One system call, like recv(); what has come is with the reader.
ssize_t FrameStream::receive_plain() {
  std::array<std::byte, kChunkBytes> chunk;
  const auto received = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
  if (received > 0) reader_.feed(std::span(chunk).first(static_cast<std::size_t>(received)));
  return received;
}

ssize_t FrameStream::receive_sealed() {
  RecordReader& in = encryption_->in;
  const auto received = in.receive(socket_);
  if (received <= 0) return received;
  for (auto bytes = in.next(); !bytes.empty(); bytes = in.next())
    if (!reader_.feed(bytes)) return received;
  if (!in.complaint().empty()) reader_.reject(in.complaint());
  return received;
}

}  // namespace sluice::bootstrap
