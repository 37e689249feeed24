// One long wait on the host: when to spin, yield, sleep and give up.
#pragma once

#include <chrono>
#include <cstdint>

#include "channel/wait.hpp"

namespace sluice {

/// Host only.
class Patience {
 public:
  /// Starts the deadline of a wait for `peer`.
  Patience(WaitState& state, std::int32_t peer) : state_(state), peer_(peer) {}
  ~Patience() { end_note(); }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

  /// Rests a little; `word` reaching `target` ends a sleep early. False when the wait is over: the
  /// deadline has passed, the communicator was aborted, or the peer's call does not fit. The
  /// failure is then recorded.
  bool rest(const std::uint64_t* word, std::uint64_t target) noexcept;

  /// Something arrived: the deadline and the rest start anew. `peer` is who is waited for next.
  void progress(std::int32_t peer) {
    rounds_ = 0;
    peer_ = peer;
    end_note();
  }

 private:
  using Clock = std::chrono::steady_clock;
  void rest_briefly(const std::uint64_t* word, std::uint64_t target) noexcept;
  bool over(Clock::time_point now, const std::uint64_t* word, std::uint64_t target) noexcept;
  void begin_note(const std::uint64_t* word, std::uint64_t target) noexcept;
  void end_note() noexcept {
    if (noted_) state_.note(state_.context, nullptr);
    noted_ = false;
  }

  WaitState& state_;
  std::int32_t peer_;
  std::uint32_t rounds_ = 0;
  bool noted_ = false;  // the flight recorder has been told of this wait
  Clock::time_point start_{};
  Clock::time_point next_look_{};
};

/// Of whoever runs a schedule.
#if defined(SLUICE_HOST)
using OwnPatience = Patience;
#else
using OwnPatience = ClockPatience;
#endif

}  // namespace sluice
