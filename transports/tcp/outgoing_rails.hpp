// An opener's way to a peer over several connections, one for each pair of interfaces (rails).
//
// put() copies its frames, queues them and returns: what is not acknowledged is sent again over the
// other rails when one dies. Frames go out on the caller's thread while there is room, later on
// that of whoever looks after the sockets.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/address.hpp"
#include "transports/tcp/outgoing.hpp"
#include "transports/tcp/progress.hpp"
#include "transports/tcp/rail.hpp"
#include "transports/tcp/timer.hpp"
#include "transports/tcp/unacknowledged.hpp"

namespace sluice::transport::tcp {

/// An address of an interface of this host, and one of the peer's.
struct NicPair {
  bootstrap::Address from, to;
};

class OutgoingRails final : public Outgoing, public std::enable_shared_from_this<OutgoingRails> {
 public:
  struct Setup {
    std::vector<NicPair> pairs;  // 1 to kMaxRails
    Terms terms;                 // of connections
    std::uint64_t owner;
    std::chrono::nanoseconds timeout;
    std::string congestion_control;
    Progress* progress;  // must be there until leave()
  };
  /// Returns with the first connection that could be made; the others follow by themselves, and
  /// so do later ones in the place of those that were lost.
  static Result<std::shared_ptr<OutgoingRails>> connect(Setup setup, Deadline deadline);

  std::size_t connections() override;
  /// What Rail::ready() does.
  bool serve(Rail& rail);

 private:
  using Clock = Rail::Clock;
  /// A pair of interfaces. Without a rail it is tried again at a time.
  struct Slot {
    NicPair pair;
    std::shared_ptr<Rail> rail;
    Clock::duration backoff{};
    Clock::time_point next_try{};
    bool failing = false;  // said so

    bool carries() const { return rail && rail->joined(); }
    std::string name() const;
  };

  explicit OutgoingRails(Setup setup);

  Status send(PutFrames frames, const Operation& operation) override;
  Status send_request(FrameHeader header, std::span<std::byte> out,
                      std::chrono::nanoseconds patience, const Operation& operation) override;
  bool say_bye(Deadline deadline) override;
  void hang_up(const Lock& lock) override;

  Status wait_for_room(Lock& lock, const Operation& operation);
  bool wait_for_news(Lock& lock, Deadline deadline);
  Rail* way_for_request(std::uint64_t after);
  void ask_for_acknowledgements(std::uint64_t up_to);
  void pump(const Lock& lock);
  bool hand_out();
  bool send_out(const Lock& lock);

  // rail_upkeep.cpp: making, losing and making again.
  Proof found(Slot& slot, Deadline deadline);
  Status begin_upkeep();
  std::shared_ptr<Rail> start_joining(Slot& slot, int& error);
  void join(Slot& slot);
  bool go_on_joining(const Lock& lock, Rail& rail);
  void retry_later(Slot& slot, const std::string& why);
  void drop(const Lock& lock, Slot& slot, const std::string& why);
  bool tick();
  void look_after(const Lock& lock, Slot& slot, Clock::time_point now);
  std::string why_dead(const Rail& rail, Clock::time_point now) const;
  void wake_by(Clock::time_point time);
  Slot& slot_of(const Rail& rail);

  const Setup setup_;
  RailJoin::Ticket ticket_;  // of the next rail
  Turn send_turn_;           // who puts
  // All below: under mutex_.
  std::vector<Slot> slots_;
  Unacknowledged kept_;
  std::uint64_t sequence_ = 0;      // of the last frame
  std::uint64_t requests_ = 0;      // so far
  std::uint64_t coming_bytes_ = 0;  // of calls under way, not yet in kept_
  std::uint64_t news_ = 0;          // acknowledgements and losses so far
  std::shared_ptr<Timer> timer_;
  Clock::time_point wakes_at_ = Clock::time_point::max();
};

}  // namespace sluice::transport::tcp
