// What an opener's frames do to the memory that this transport has published. Knows no socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "transports/tcp/arrivals.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/regions.hpp"

namespace sluice::transport::tcp {

/// Checks every frame before a byte of it is written, and acts on it. One connection, one thread.
class Applier final : public FrameSink {
 public:
  /// `owner`: the number by which openers name this transport.
  Applier(const Regions& regions, std::uint64_t owner, Openers& openers)
      : regions_(regions), owner_(owner), openers_(openers) {}

  std::string begin(const FrameHeader& header, std::byte*& place) override;
  void end(const FrameHeader& header) override;

  /// A Join, an Open or a Get that waits for its answer, until answered().
  const std::optional<FrameHeader>& request() const { return request_; }
  void answered() { request_.reset(); }
  /// Lets the connection that has asked to join take its place among its opener's rails, and fills
  /// in the answer. Returns what is wrong with it.
  std::string join(FrameHeader& answer, std::function<void()> hang_up);
  /// Null where the opener has only this connection.
  Seat* seat() { return seat_.get(); }
  const Seat* seat() const { return seat_.get(); }
  /// Whether the opener has reached anything here.
  bool opened() const { return opened_; }
  /// Over this connection or another rail.
  bool said_bye() const { return said_bye_ || (seat_ && seat_->opener_has_left()); }

 private:
  std::string check(const FrameHeader& header);
  std::string check_number(const FrameHeader& header);
  std::string check_owner(const FrameHeader& header) const;
  std::string check_open(const FrameHeader& header) const;
  std::string check_place(const FrameHeader& header);
  /// Whether the frame stays inside a published region; then its first byte is in `place`.
  std::string check_range(const FrameHeader& header, std::uint64_t bytes, std::byte*& place) const;

  const Regions& regions_;
  const std::uint64_t owner_;
  Openers& openers_;
  std::unique_ptr<Seat> seat_;
  std::uint64_t sequence_ = 0;  // of the last frame, unless there is a seat
  std::byte* place_ = nullptr;  // of the current frame
  bool opened_ = false;
  bool said_bye_ = false;
  std::optional<FrameHeader> request_;
};

}  // namespace sluice::transport::tcp
