// An opener's only connection to a peer: frames go straight from the caller's memory to the kernel,
// on the caller's thread; answers are received by whoever looks after the socket.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "bootstrap/socket.hpp"
#include "transports/tcp/outgoing.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/send_batch.hpp"
#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

class OutgoingConnection final : public Outgoing, public Watched {
 public:
  /// `wire`: to an owner that has proved the key. `progress` must be there until leave().
  OutgoingConnection(Wire wire, std::string peer, std::chrono::nanoseconds timeout,
                     Progress& progress);

  std::size_t connections() override { return failed() ? 0 : 1; }
  const bootstrap::Fd& descriptor() const override { return wire_.socket; }
  bool ready() override;

 private:
  Status send(PutFrames frames, const Operation& operation) override;
  Status send_request(FrameHeader header, std::span<std::byte> out,
                      std::chrono::nanoseconds patience, const Operation& operation) override;
  void say_bye(Deadline deadline) override;
  void hang_up(const Lock& lock) override;
  int transmit(SendBatch& batch, std::chrono::nanoseconds patience);
  int transmit_and_receive(SendBatch& batch);
  Status sending_failed(int error, const Operation& operation);

  Progress& progress_;
  Wire wire_;                     // its two ways: under send_turn_, under mutex_
  Turn send_turn_;                // who writes to the socket
  std::uint64_t sequence_ = 0;    // of the last frame; under send_turn_
  FrameReader reader_{request_};  // under mutex_
};

}  // namespace sluice::transport::tcp
