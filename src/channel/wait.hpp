// Waiting for a 64-bit word that another rank only ever increases.
//
// Every wait has a deadline and watches the abort word. The first wait that fails writes down why
// and makes all later waits of this rank return at once, so a schedule needs no error handling of
// its own: after a failure it runs to its end without touching a peer, and whoever launched it
// looks at failed().
#pragma once

#include <cstdint>

#include "base/port.hpp"

namespace sluice {

enum class WaitOutcome : std::uint32_t {
  kNone = 0,
  kTimeout = 1,
  kAborted = 2,     // the abort word was set; why is known to whoever set it
  kMismatch = 3,    // the peer's call does not fit ours
  kOutOfRange = 4,  // an offset or size that leaves its region; expected: the region's bytes, seen:
                    // the end asked for
  kWrongSize = 6,   // a message of another size than was to come
  kUnreachable = 5,  // the operating system refused access to the peer's memory; seen: errno
};

/// Why a wait failed; plain data, written by the waiting rank, read by its host thread.
struct WaitFailure {
  WaitOutcome outcome;
  std::int32_t peer;
  std::uint64_t expected;  // the value waited for, or this rank's signature
  std::uint64_t seen;      // the value found, or the peer's signature
};

/// A wait that has lasted a millisecond or more.
struct LongWait {
  const std::uint64_t* word;
  std::uint64_t expected;
  std::uint64_t seen;
  std::int32_t peer;
  std::uint64_t since_ns;  // CLOCK_MONOTONIC
};

/// How who waits for one peer across a port takes in what has come.
enum class TakeIn : std::uint8_t {
  kFromPeer,  // above all from the peer that is waited for: the quickest look
  kFromAll,
  kAsleep,  // from all; it may wait some milliseconds for something to come
};

/// The state of one rank's waits. Lives where the waiting threads can write and the host can read.
struct WaitState {
  std::uint64_t abort_word = 0;  // any thread sets it, never cleared
  WaitFailure failure{};         // valid once failed; for other threads, behind a barrier
  std::uint64_t failed = 0;
  /// Kernels only: an abort word in memory of the host, or null. Slow to read.
  const std::uint64_t* host_abort_word = nullptr;
  std::uint64_t timeout_ns = 0;
  std::uint32_t spins = 0;  // polls before a wait yields: few when ranks outnumber cores
  /// Host only, called from slow waits: tells whether `peer` has made a call that does not fit
  /// ours.
  bool (*contradicts)(void* context, std::int32_t peer) = nullptr;
  /// Host only: told of a long wait every millisecond or so, and with null when it is over.
  void (*note)(void* context, const LongWait* wait) = nullptr;
  void* context = nullptr;
  /// Host only: takes in what peers across a port have sent; where all peers are mapped it is null.
  /// False when `peer` is not across a port: then nothing was done.
  bool (*take_in)(void* context, std::int32_t peer, TakeIn how) = nullptr;
  /// Host only: where this rank sleeps; the words of src/channel/doorbell.hpp.
  struct Doorbell* doorbell = nullptr;
  std::uint64_t* sleepers = nullptr;
};

/// By any thread; the first one counts.
SLUICE_FN void record_failure(WaitState& state, WaitOutcome outcome, std::int32_t peer,
                              std::uint64_t expected, std::uint64_t seen) {
  if (!port::claim(&state.failed)) return;
  state.failure = {outcome, peer, expected, seen};
}

/// A long wait where there is nothing to do but to look again: in a kernel.
class ClockPatience {
 public:
  SLUICE_FN ClockPatience(WaitState& state, std::int32_t peer) : state_(state), peer_(peer) {}

  /// As Patience::rest(); the clock and the abort words are looked at now and then.
  SLUICE_FN bool rest(const std::uint64_t* word, std::uint64_t target) {
    constexpr std::uint64_t kPollsPerClock = 64;
    constexpr std::uint64_t kPollsWithoutRest = 1024;  // then others on the processor go first
    if (polls_ == 0) begin_ns_ = port::now_ns();
    if (++polls_ >= kPollsWithoutRest) port::pause();
    if (polls_ % kPollsPerClock != 0) return true;
    if (port::load_relaxed(&state_.failed) != 0) return false;
    if (aborted()) {
      record_failure(state_, WaitOutcome::kAborted, peer_, target, port::load_relaxed(word));
      return false;
    }
    if (port::now_ns() - begin_ns_ < state_.timeout_ns) return true;
    record_failure(state_, WaitOutcome::kTimeout, peer_, target, port::load_relaxed(word));
    return false;
  }
  /// As Patience::progress().
  SLUICE_FN void progress(std::int32_t peer) {
    polls_ = 0;
    peer_ = peer;
  }

 private:
  SLUICE_FN bool aborted() const {
    return port::load_relaxed(&state_.abort_word) != 0 ||
           (state_.host_abort_word != nullptr && port::load_relaxed(state_.host_abort_word) != 0);
  }

  WaitState& state_;
  std::int32_t peer_;
  std::uint64_t polls_ = 0;
  std::uint64_t begin_ns_ = 0;
};

/// The patient part of wait_at_least() in a kernel. Ends with the word, the deadline or an abort.
/// Returns as wait_patiently().
SLUICE_FN_APART std::uint64_t wait_by_clock(WaitState& state, const std::uint64_t* word,
                                            std::uint64_t target, std::int32_t peer) {
  ClockPatience patience(state, peer);
  for (;;) {
    const std::uint64_t seen = port::load_acquire(word);
    if (seen >= target || !patience.rest(word, target)) return seen;
  }
}

/// The patient part of wait_at_least() on the host: yields, then sleeps; ends with the word, the
/// deadline, an abort or a contradiction. Returns what the last look found; below `target` only
/// after a failure.
std::uint64_t wait_patiently(WaitState& state, const std::uint64_t* word, std::uint64_t target,
                             std::int32_t peer) noexcept;

/// Waits until `*word` >= `target` with acquire order (pairs with the release of whoever raises it)
/// and returns the value seen. After a failure the value is below `target`.
SLUICE_FN std::uint64_t wait_at_least(WaitState& state, const std::uint64_t* word,
                                      std::uint64_t target, std::int32_t peer) {
  std::uint64_t seen = port::load_acquire(word);
  if (seen >= target) [[likely]]
    return seen;
  if (port::load_relaxed(&state.failed) != 0) return seen;
#if defined(SLUICE_HOST)
  const std::uint32_t spins = state.take_in == nullptr ? state.spins : 0;
  for (std::uint32_t i = 0; i < spins; ++i) {
    seen = port::load_acquire(word);
    if (seen >= target) return seen;
    // A rest is longer than a flag's way between cores, so the first polls go without.
    if (i >= 64) port::pause();
  }
  return wait_patiently(state, word, target, peer);
#else
  return wait_by_clock(state, word, target, peer);
#endif
}

}  // namespace sluice
