#include "transports/tcp/send_batch.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace sluice::transport::tcp {

void SendBatch::add(const FrameHeader& header, std::span<const std::byte> payload) {
  HeaderBytes& bytes = headers_[frames_++];
  bytes = encode(header);
  iovecs_[parts_++] = {bytes.data(), bytes.size()};
  unsent_bytes_ += bytes.size() + payload.size();
  if (payload.empty()) return;
  iovecs_[parts_++] = {const_cast<std::byte*>(payload.data()), payload.size()};
  payload_bytes_ += payload.size();
}

int SendBatch::send_some(Wire& wire) {
  if (wire.encryption) return send_sealed(wire);
  msghdr message{};
  message.msg_iov = iovecs_.data() + first_;
  message.msg_iovlen = parts_ - first_;
  for (;;) {
    const ssize_t count = ::sendmsg(wire.socket.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count >= 0) {
      sent(static_cast<std::size_t>(count));
      return 0;
    }
    if (errno == EWOULDBLOCK) return EAGAIN;
    if (errno != EINTR) return errno;
  }
}

/// What was sealed counts as sent once its record is: so the batch is not empty before everything
/// is with the kernel, and nothing is taken for sent that the peer cannot have read.
int SendBatch::send_sealed(Wire& wire) {
  bootstrap::RecordWriter& out = wire.encryption->out;
  if (!out.pending()) out.seal(std::span(iovecs_).subspan(first_, parts_ - first_));
  std::size_t carried = 0;
  const int error = out.send(wire.socket, carried);
  if (carried > 0) sent(carried);
  return error;
}

void SendBatch::sent(std::size_t bytes) {
  unsent_bytes_ -= bytes;
  while (bytes > 0) {
    iovec& part = iovecs_[first_];
    const std::size_t taken = std::min(bytes, part.iov_len);
    part.iov_base = static_cast<std::byte*>(part.iov_base) + taken;
    part.iov_len -= taken;
    bytes -= taken;
    if (part.iov_len == 0) ++first_;
  }
  // All gone: the room can be used again.
  if (empty()) frames_ = parts_ = first_ = payload_bytes_ = 0;
}

}  // namespace sluice::transport::tcp
