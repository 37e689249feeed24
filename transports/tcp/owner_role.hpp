// What an owner does for the opener at the other end of a connection: lets its frames into
// published memory, answers what it asks, and says what has become of it. Knows no socket.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "sluice/status.hpp"
#include "transports/tcp/applier.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/regions.hpp"
#include "transports/tcp/send_batch.hpp"

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

/// One connection's. Calls never overlap.
class OwnerRole {
 public:
  /// What belongs to the transport; outlives the connection's use.
  struct Owner {
    Regions& regions;
    std::uint64_t number;
    Openers& openers;
    LostOpener& lost;
  };
  explicit OwnerRole(const Owner& owner)
      : regions_(owner.regions),
        lost_(owner.lost),
        applier_(owner.regions, owner.number, owner.openers) {}

  /// Where the opener's frames go.
  FrameSink& sink() { return applier_; }
  /// Something was received of it.
  void note_arrival() { regions_.note_arrival(); }

  /// If the connection has asked to be a rail: makes it one. Returns what is wrong with that.
  std::string join(std::function<void()> hang_up);
  /// Whether its opener is to be sent something.
  bool owes() const;
  /// Adds that to an empty batch, as much as fits. The batch must be sent before the next.
  void fill(SendBatch& batch);
  /// Acknowledges what has come over a rail that ends: an opener need not wonder.
  void fill_last(SendBatch& batch);

  bool opened() const { return applier_.opened(); }
  bool said_bye() const { return applier_.said_bye(); }
  /// Whether nothing but this connection's end can come of it any more.
  bool is_over() const { return applier_.said_bye() && applier_.seat() == nullptr; }
  /// Whether another rail has taken its place, or broken the rules.
  bool cut() const { return applier_.seat() != nullptr && applier_.seat()->cut(); }

  struct End {
    std::string how;
    bool broke_rules = false;
    bool expected = false;  // nobody need know
  };
  /// The connection to `peer` is over. Its opener is noted as lost, unless it has left, or had
  /// opened nothing, or has other rails.
  void end(const std::string& peer, const End& end);

 private:
  void answer_get(const FrameHeader& asked, SendBatch& batch);

  Regions& regions_;
  LostOpener& lost_;
  Applier applier_;
  std::optional<FrameHeader> joined_;  // the answer to a Join
  bool answering_ = false;             // a Get, of which cut_ is left
  Cut cut_;
  std::uint64_t counter_ = 0;  // the answer to a Get of a counter, until it is sent
};

}  // namespace sluice::transport::tcp
