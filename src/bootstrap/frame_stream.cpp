#include "bootstrap/frame_stream.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace sluice::bootstrap {

int FrameStream::flush() {
  while (!outgoing_.empty()) {
    const Bytes& front = *outgoing_.front();
    const auto sent = ::send(socket_.get(), front.data() + front_sent_bytes_,
                             front.size() - front_sent_bytes_, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : errno;
    }
    front_sent_bytes_ += static_cast<std::size_t>(sent);
    if (front_sent_bytes_ < front.size()) continue;
    outgoing_.pop_front();
    front_sent_bytes_ = 0;
  }
  return 0;
}

FrameStream::Received FrameStream::receive() {
  constexpr int kReadsPerTurn = 8;
  std::array<std::byte, 64 * 1024> chunk;
  for (int turn = 0; turn < kReadsPerTurn; ++turn) {
    const auto received = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
    if (received == 0) return Received::kClosed;
    if (received < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK ? Received::kOk : Received::kFailed;
    }
    if (!reader_.feed(std::span(chunk).first(static_cast<std::size_t>(received))))
      return Received::kMalformed;
    if (static_cast<std::size_t>(received) < chunk.size()) return Received::kOk;
  }
  return Received::kOk;
}

}  // namespace sluice::bootstrap
