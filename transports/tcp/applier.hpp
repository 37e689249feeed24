// What an opener's frames do to the memory that this transport has published. Knows no socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "transports/tcp/frame.hpp"
#include "transports/tcp/regions.hpp"

namespace sluice::transport::tcp {

/// Checks every frame before a byte of it is written, and acts on it. One connection, one thread.
class Applier final : public FrameSink {
 public:
  /// `owner`: the number by which openers name this transport.
  Applier(const Regions& regions, std::uint64_t owner) : regions_(regions), owner_(owner) {}

  std::string begin(const FrameHeader& header, std::byte*& place) override;
  void end(const FrameHeader& header) override;

  /// An Open or a Get that waits for its answer, until answered().
  const std::optional<FrameHeader>& request() const { return request_; }
  void answered() { request_.reset(); }
  bool said_bye() const { return said_bye_; }

 private:
  std::string check(const FrameHeader& header);
  std::string check_open(const FrameHeader& header);
  /// Whether the frame stays inside a published region; then its first byte is in `place`.
  std::string check_range(const FrameHeader& header, std::uint64_t bytes, std::byte*& place) const;

  const Regions& regions_;
  const std::uint64_t owner_;
  std::uint64_t sequence_ = 0;  // of the last frame
  std::byte* place_ = nullptr;  // of the current frame
  bool opened_ = false;
  bool said_bye_ = false;
  std::optional<FrameHeader> request_;
};

}  // namespace sluice::transport::tcp
