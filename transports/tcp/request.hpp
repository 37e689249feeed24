// What an opener has asked of an owner, and the frames that answer it. Knows no socket.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "transports/tcp/frame.hpp"

namespace sluice::transport::tcp {

/// One at a time. Frames that are no answer to it are malformed.
class Request final : public FrameSink {
 public:
  /// `asked`: an Open, or a Get whose answer goes to `out`.
  void start(const FrameHeader& asked, std::span<std::byte> out);
  /// From here nothing is written to `out`, provided the reader is not fed any more or the answer
  /// was complete.
  void stop() { waiting_ = false; }

  bool done() const { return done_; }
  std::uint64_t received_bytes() const { return received_bytes_; }

  std::string begin(const FrameHeader& header, std::byte*& place) override;
  void end(const FrameHeader& header) override;

 private:
  FrameHeader asked_;
  std::span<std::byte> out_;
  std::uint64_t received_bytes_ = 0;
  bool waiting_ = false;
  bool done_ = false;
};

}  // namespace sluice::transport::tcp
