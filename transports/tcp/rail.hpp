// One of an opener's connections to a peer: what waits to be sent over it, what is on its way, and
// how quick it is.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bootstrap/socket.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/rail_join.hpp"
#include "transports/tcp/rail_rate.hpp"
#include "transports/tcp/request.hpp"
#include "transports/tcp/send_batch.hpp"
#include "transports/tcp/striping.hpp"
#include "transports/tcp/unacknowledged.hpp"
#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

class OutgoingRails;

/// All but what Watched says: under the mutex of its OutgoingRails.
class Rail final : public Watched, private FrameSink {
 public:
  using Clock = std::chrono::steady_clock;

  /// `socket`: of start_connecting(). `name`: its two ends, for texts.
  Rail(bootstrap::Fd socket, std::string name, const RailJoin::Ticket& ticket,
       std::weak_ptr<OutgoingRails> rails);

  const bootstrap::Fd& descriptor() const override { return wire_.socket; }
  bool ready() override;
  bool wants_to_send() const override { return waits_for_room_.load(std::memory_order_acquire); }

  const std::string& name() const { return name_; }
  RailJoin::State advance_join();
  const RailJoin& join() const { return join_; }
  bool joined() const { return join_.state() == RailJoin::State::kJoined; }
  bool dropped() const { return dropped_; }
  Clock::time_point since() const { return since_; }  // joined; until then, begun

  RailLoad load() const;
  /// Only with room: load(). The frame must stay until it is acknowledged or this is dropped.
  void give(const Unacknowledged::Kept& frame, Clock::time_point now);
  /// A frame without number. After what was given before, perhaps before what is given later.
  void say(const FrameHeader& header);
  /// Says `asked`, whose answer goes to `request`.
  void ask(const FrameHeader& asked, Request& request);
  bool asks() const { return request_ != nullptr; }
  /// As much as the socket takes. 0 or an errno.
  int send();
  bool has_to_send() const { return !outbox_.empty() || !words_.empty(); }

  /// Takes in what has come: answers, and acknowledgements, whose frames are then acknowledged().
  /// What ends the connection, or nothing.
  std::string receive();
  std::vector<std::uint64_t>& acknowledged() { return acknowledged_; }
  /// Whether the peer has closed it as one does that ends in order.
  bool ended() const { return ended_; }
  /// Whether there are frames that are not acknowledged: any, or any up to a number.
  bool has_in_flight() const { return !in_flight_.empty(); }
  bool carries_up_to(std::uint64_t sequence) const;
  /// Since when a frame is on its way and none has been acknowledged.
  Clock::time_point waits_since() const;
  Clock::time_point last_acknowledged() const { return last_acknowledged_; }
  /// Whether the peer's kernel, too, has confirmed nothing of what it was sent for so long.
  bool is_unheard(std::chrono::milliseconds time) const;

  /// Whether it is doubted for the second time in a row.
  bool doubt() { return std::exchange(doubted_, true); }
  void trust() { doubted_ = false; }

  /// Hangs up; the system forgets what it has not sent. Returns the frames that were on their way.
  std::vector<std::uint64_t> drop();
  /// As after a goodbye: the system still sends what it has.
  void hang_up();

 private:
  struct InFlight {
    std::uint64_t sequence;
    std::uint64_t bytes;
    std::uint64_t end;  // of the frame in the stream
    RailRate::Departure departure;
  };

  std::string begin(const FrameHeader& header, std::byte*& place) override;
  void end(const FrameHeader& header) override;
  std::uint64_t sent_bytes() const { return given_bytes_ - outbox_.unsent_bytes(); }

  Wire wire_;
  const std::string name_;
  const std::weak_ptr<OutgoingRails> rails_;
  RailJoin join_;
  Clock::time_point since_ = Clock::now();
  bool dropped_ = false;
  bool ended_ = false;
  bool doubted_ = false;

  SendBatch outbox_;
  std::vector<FrameHeader> words_;           // to be said once the outbox has room
  bool full_ = false;                        // the socket was, when last tried
  std::atomic<bool> waits_for_room_ = true;  // joined or not: a connection is made, too
  std::uint64_t given_bytes_ = 0;            // to the outbox, with headers
  std::deque<InFlight> in_flight_;
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t acknowledged_frames_ = 0;
  std::vector<std::uint64_t> acknowledged_;
  Clock::time_point last_acknowledged_{};
  RailRate rate_{std::chrono::nanoseconds(0)};
  Request* request_ = nullptr;
  FrameReader reader_{*this};
};

}  // namespace sluice::transport::tcp
