// A non-blocking socket that sends and receives frames, for use in a poll loop. One thread.
#pragma once

#include <deque>

#include "bootstrap/frame.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::bootstrap {

class FrameStream {
 public:
  explicit FrameStream(Fd socket) : socket_(std::move(socket)) {}

  const Fd& socket() const { return socket_; }
  FrameReader& reader() { return reader_; }

  void queue(SharedBytes bytes) { outgoing_.push_back(std::move(bytes)); }
  bool has_outgoing() const { return !outgoing_.empty(); }
  /// Sends as much as the socket takes now. 0 or an errno.
  int flush();

  enum class Received { kOk, kClosed, kFailed, kMalformed };
  /// Takes what has arrived, up to a bound so that one peer cannot hold up the others. kFailed
  /// leaves errno.
  Received receive();

 private:
  Fd socket_;
  FrameReader reader_;
  std::deque<SharedBytes> outgoing_;
  std::size_t front_sent_bytes_ = 0;
};

}  // namespace sluice::bootstrap
