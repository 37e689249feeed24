// Frames on their way into one system call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sys/uio.h>

#include "transports/tcp/frame.hpp"
#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

/// Headers and small payloads are copied, one behind the other; large payloads are only pointed to:
/// they must stay until empty().
class SendBatch {
 public:
  static constexpr std::size_t kMaxFrames = 64;
  /// To copy so much costs less than to have the kernel collect it.
  static constexpr std::size_t kCopiedPayloadBytes = 256;
  /// No frame is added to this much payload: what one turn sends is bounded.
  static constexpr std::uint64_t kFullBytes = std::uint64_t{1} << 20;

  SendBatch() = default;
  SendBatch(const SendBatch&) = delete;
  SendBatch& operator=(const SendBatch&) = delete;

  bool full() const { return frames_ == kMaxFrames || payload_bytes_ >= kFullBytes; }
  /// Whether everything that was added has been sent.
  bool empty() const { return first_ == parts_; }
  std::uint64_t unsent_bytes() const { return unsent_bytes_; }
  /// Only when not full().
  void add(const FrameHeader& header, std::span<const std::byte> payload);
  /// One system call. 0 when bytes moved, else an errno (EAGAIN: no room now).
  int send_some(Wire& wire);

 private:
  void add_copy(std::span<const std::byte> bytes);
  int send_sealed(Wire& wire);
  void sent(std::size_t bytes);

  std::array<std::byte, kMaxFrames*(kHeaderBytes + kCopiedPayloadBytes)> copied_;
  std::array<iovec, 2 * kMaxFrames> iovecs_;
  std::size_t frames_ = 0;
  std::size_t copied_bytes_ = 0;
  std::size_t parts_ = 0;
  std::size_t first_ = 0;  // the first part that is not sent altogether
  std::uint64_t payload_bytes_ = 0;
  std::uint64_t unsent_bytes_ = 0;  // with headers
};

}  // namespace sluice::transport::tcp
