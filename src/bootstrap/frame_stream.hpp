// A non-blocking socket that sends and receives frames, for use in a poll loop. One thread.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "bootstrap/frame.hpp"
#include "bootstrap/records.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::bootstrap {

class FrameStream {
 public:
  explicit FrameStream(Fd socket) : socket_(std::move(socket)) {}

  const Fd& socket() const { return socket_; }
  FrameReader& reader() { return reader_; }
  const FrameReader& reader() const { return reader_; }

  /// From here what comes is encrypted, and what is queued will be; what is queued already goes out
  /// as it is. Null: nothing changes.
  void encrypt(std::unique_ptr<Encryption> encryption);
  bool is_encrypted() const { return encryption_ != nullptr; }

  void queue(SharedBytes bytes) { outgoing_.push_back(std::move(bytes)); }
  bool has_outgoing() const { return !outgoing_.empty(); }
  /// Sends as much as the socket takes now. 0 or an errno.
  int flush();

  enum class Received { kOk, kClosed, kFailed, kMalformed };
  /// Takes what has arrived, up to a bound so that one peer cannot hold up the others. kFailed
  /// leaves errno.
  Received receive();

 private:
  int send_plain();
  int send_sealed();
  void sent(std::size_t bytes);
  ssize_t receive_plain();
  ssize_t receive_sealed();

  Fd socket_;
  FrameReader reader_;
  std::deque<SharedBytes> outgoing_;
  std::size_t front_sent_bytes_ = 0;
  std::unique_ptr<Encryption> encryption_;
  std::size_t queued_plain_ = 0;  // how many at the front are not to be encrypted
};

}  // namespace sluice::bootstrap
