// What comes of an opener that has several connections to this owner (rails). Knows no socket. Like
// all Watched, never called by two threads at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "transports/tcp/arrival_order.hpp"
#include "transports/tcp/blob.hpp"
#include "transports/tcp/frame.hpp"

namespace sluice::transport::tcp {

class Arrivals;

/// One rail's part in its opener's arrivals.
class Seat {
 public:
  Seat(std::shared_ptr<Arrivals> arrivals, std::size_t rail, std::function<void()> hang_up);
  ~Seat() { leave(); }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  /// A numbered frame that stays inside its region has begun, to be written to `place`; elsewhere
  /// when it has been seen before. Returns what is wrong with it.
  std::string begin(const FrameHeader& header, std::byte*& place);
  /// It is there. A signal is added, to the counter at `place`, once all before it is there.
  void end(const FrameHeader& header, std::byte* place);

  /// At once: the opener waits for it.
  void ask() { asked_ = true; }
  bool acknowledgement_is_due() const;
  bool owes_acknowledgement() const { return unacknowledged_frames_ > 0; }
  /// How much has come over this rail. Not due from here.
  FrameHeader acknowledge();

  /// The opener leaves, and has heard that all it sent is here.
  void say_bye();
  bool opener_has_left() const;

  /// Whether another rail has taken its place, or broken the rules: nothing of it counts any more.
  bool cut() const { return cut_; }
  void cut_off();
  void leave();
  /// How many other rails the opener has.
  std::size_t others() const;
  void cut_off_others();

 private:
  friend class Arrivals;

  const std::shared_ptr<Arrivals> arrivals_;
  const std::size_t rail_;
  const std::function<void()> hang_up_;
  std::uint64_t receiving_ = 0;  // the number of the current frame, unless it has been seen before
  std::uint64_t frames_ = 0;     // numbered ones, so far
  std::uint64_t unacknowledged_frames_ = 0;
  std::uint64_t unacknowledged_bytes_ = 0;
  bool asked_ = false;
  bool cut_ = false;
};

class Arrivals {
 public:
  explicit Arrivals(std::uint64_t token) : token_(token) {}

  std::uint64_t token() const { return token_; }

 private:
  friend class Seat;
  struct EarlySignal {
    std::byte* counter;
    std::uint64_t amount;
  };

  void take_over(const Seat& by, std::uint64_t sequence);
  void arrive(const FrameHeader& header, std::byte* place);
  std::byte* nowhere();

  const std::uint64_t token_;
  ArrivalOrder order_;
  std::map<std::uint64_t, EarlySignal> early_signals_;  // no more than the window is long
  std::array<Seat*, kMaxRails> seats_{};
  std::vector<std::byte> nowhere_;
  bool opener_has_left_ = false;
};

/// The openers with rails to one owner.
class Openers {
 public:
  struct Joined {
    std::unique_ptr<Seat> seat;
    std::uint64_t token = 0;
    std::string complaint;  // unless there is a seat
  };
  /// A rail of the opener named in `join`: the first of an opener that is not known, or another one
  /// of who also knows the token that the first was given. One with the number of an older rail
  /// takes its place. `hang_up` ends the connection.
  Joined join(const FrameHeader& join, std::function<void()> hang_up);

 private:
  std::map<std::uint64_t, std::weak_ptr<Arrivals>> known_;
};

}  // namespace sluice::transport::tcp
