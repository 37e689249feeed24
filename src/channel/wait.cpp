#include "channel/wait.hpp"

#include <sched.h>

#include "channel/doorbell.hpp"
#include "channel/patience.hpp"

namespace sluice {
namespace {

// Yielding costs half a microsecond when somebody else can run and next to nothing otherwise; a
// futex wake across idle cores of a virtual machine costs tens of microseconds. So: yield for a
// millisecond, then sleep.
constexpr auto kYieldFor = std::chrono::milliseconds(1);
// Looking at a peer's flight record takes its cache line, and writing one's own takes time; once a
// millisecond is cheap and soon enough.
constexpr auto kLookEvery = std::chrono::milliseconds(1);
// The clock is read every so many yields: a yield that finds nobody else to run is as cheap as the
// clock.
constexpr std::uint32_t kRoundsPerClock = 8;
// A look at a port takes as long as so many spins. So who shares a core gives it away after the
// first look in vain.
constexpr std::uint32_t kSpinsPerLook = 40;
// Who waits for one peer across a port looks at the others, too, every so many looks in vain: about
// every 3 us. With a core to share a look in vain is followed by another rank's turn, in which more
// comes than one look takes.
constexpr std::uint32_t kLooksForAll = 8;
constexpr std::uint32_t kLooksForAllSharing = 2;

}  // namespace

bool Patience::rest(const std::uint64_t* word, std::uint64_t target) noexcept {
  const std::uint32_t round = rounds_++;
  const bool host_aborted =
      state_.host_abort_word != nullptr && port::load_acquire(state_.host_abort_word) != 0;
  if (host_aborted || port::load_acquire(&state_.abort_word) != 0) {
    record_failure(state_, WaitOutcome::kAborted, peer_, target, port::load_relaxed(word));
    return false;
  }
  if (round % kRoundsPerClock != 0) {
    rest_briefly(word, target);
    return true;
  }
  const auto now = Clock::now();
  if (round == 0) {
    start_ = now;
    next_look_ = now + kLookEvery;
  }
  if (over(now, word, target)) return false;
  if (now - start_ < kYieldFor || state_.doorbell == nullptr) {
    rest_briefly(word, target);
  } else {
    if (state_.take_in == nullptr || !state_.take_in(state_.context, peer_, TakeIn::kAsleep))
      sleep_on(*state_.doorbell, state_.sleepers, word, target);
    rounds_ = kRoundsPerClock;  // look at everything after every sleep
  }
  return true;
}

/// Gives the core away; where what is waited for comes through a port, after a look there in vain.
void Patience::rest_briefly(const std::uint64_t* word, std::uint64_t target) noexcept {
  const std::uint32_t looks = state_.spins / kSpinsPerLook;  // before the core is given away
  const std::uint32_t for_all = looks == 0 ? kLooksForAllSharing : kLooksForAll;
  if (state_.take_in == nullptr)
    sched_yield();
  else if (state_.take_in(state_.context, peer_,
                          rounds_ % for_all == 0 ? TakeIn::kFromAll : TakeIn::kFromPeer)) {
    if (rounds_ > looks && port::load_acquire(word) < target) sched_yield();
  } else if (rounds_ < state_.spins)
    port::pause();
  else
    sched_yield();
}

void Patience::begin_note(const std::uint64_t* word, std::uint64_t target) noexcept {
  if (state_.note == nullptr) return;
  const auto since = std::chrono::nanoseconds(start_.time_since_epoch()).count();
  const LongWait wait{word, target, port::load_relaxed(word), peer_,
                      static_cast<std::uint64_t>(since)};
  state_.note(state_.context, &wait);
  noted_ = true;
}

bool Patience::over(Clock::time_point now, const std::uint64_t* word,
                    std::uint64_t target) noexcept {
  if (now >= next_look_) {
    next_look_ = now + kLookEvery;
    begin_note(word, target);
    if (state_.contradicts != nullptr && state_.contradicts(state_.context, peer_)) {
      // Looked at again: the peer may have raised it and gone on, or left, since.
      const std::uint64_t seen = port::load_acquire(word);
      if (seen >= target) return false;
      record_failure(state_, WaitOutcome::kMismatch, peer_, target, seen);
      return true;
    }
    if (state_.failed != 0) return true;  // while asking after the peer
  }
  if (now - start_ < std::chrono::nanoseconds(state_.timeout_ns)) return false;
  record_failure(state_, WaitOutcome::kTimeout, peer_, target, port::load_relaxed(word));
  return true;
}

std::uint64_t wait_patiently(WaitState& state, const std::uint64_t* word, std::uint64_t target,
                             std::int32_t peer) noexcept {
  Patience patience(state, peer);
  for (;;) {
    const std::uint64_t seen = port::load_acquire(word);
    if (seen >= target || !patience.rest(word, target)) return seen;
  }
}

}  // namespace sluice
