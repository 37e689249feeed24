// The owner's end of a connection: what an opener sends goes into published memory, what it asks
// for goes back. All on the progress thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"
#include "transports/tcp/applier.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/regions.hpp"
#include "transports/tcp/send_batch.hpp"
#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

/// The first opener that was lost. Thread-safe.
class LostOpener {
 public:
  void note(std::string text);
  /// kRemoteError once there was one; then last_error() says who, and why.
  Status status() const;

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

class Incoming final : public Watched {
 public:
  /// What belongs to the transport; outlives this.
  struct Owner {
    Regions& regions;
    std::uint64_t number;
    Openers& openers;
    LostOpener& lost;
  };
  /// `wire`: to an opener that has proved the key.
  Incoming(Wire wire, std::string peer, const Owner& owner);
  /// Acknowledges what has come: an opener need not wonder.
  ~Incoming() override;

  const bootstrap::Fd& descriptor() const override { return wire_.socket; }
  bool ready() override;
  bool wants_to_send() const override;

 private:
  bool receive();
  bool send_answers();
  void fill_batch();
  std::string join();
  const char* how_it_ended() const;
  bool gone(const std::string& how);
  bool broke_rules() const { return !reader_.complaint().empty() || refused_; }

  Wire wire_;
  const std::string peer_;
  Regions& regions_;
  LostOpener& lost_;
  Applier applier_;
  FrameReader reader_{applier_};
  SendBatch batch_;
  bool refused_ = false;    // its join was
  bool answering_ = false;  // a Get, of which cut_ is left
  Cut cut_;
  std::uint64_t counter_ = 0;  // the answer to a Get of a counter, until it is sent
};

}  // namespace sluice::transport::tcp
