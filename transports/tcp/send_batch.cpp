#include "transports/tcp/send_batch.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace sluice::transport::tcp {

void SendBatch::add(const FrameHeader& header, std::span<const std::byte> payload) {
  ++frames_;
  unsent_bytes_ += kHeaderBytes + payload.size();
  payload_bytes_ += payload.size();
  add_copy(encode(header));
  if (payload.empty()) return;
  if (payload.size() <= kCopiedPayloadBytes) return add_copy(payload);
  iovecs_[parts_++] = {const_cast<std::byte*>(payload.data()), payload.size()};
}

/// Behind what was copied last, if that is the last part.
void SendBatch::add_copy(std::span<const std::byte> bytes) {
  std::byte* const place = copied_.data() + copied_bytes_;
  std::copy(bytes.begin(), bytes.end(), place);
  copied_bytes_ += bytes.size();
  if (parts_ > first_) {
    iovec& last = iovecs_[parts_ - 1];
    if (static_cast<std::byte*>(last.iov_base) + last.iov_len == place)
      return void(last.iov_len += bytes.size());
  }
  iovecs_[parts_++] = {place, bytes.size()};
}

int SendBatch::send_some(Wire& wire) {
  if (wire.encryption) return send_sealed(wire);
  msghdr message{};
  message.msg_iov = iovecs_.data() + first_;
  message.msg_iovlen = parts_ - first_;
  for (;;) {
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT, socket = wire.socket.get();
    const iovec& part = iovecs_[first_];
    const ssize_t count = message.msg_iovlen == 1
                              ? ::send(socket, part.iov_base, part.iov_len, flags)
                              : ::sendmsg(socket, &message, flags);
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
  if (empty()) frames_ = copied_bytes_ = parts_ = first_ = payload_bytes_ = 0;
}

}  // namespace sluice::transport::tcp
