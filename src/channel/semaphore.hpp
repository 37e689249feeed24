// Semaphore: a pair of 64-bit counters that only grow, one at each end of a channel.
#pragma once

#include <cstdint>

#include "base/port.hpp"
#include "channel/doorbell.hpp"
#include "channel/wait.hpp"

namespace sluice {

/// One rank's end. Trivially copyable; the counters live in the two ranks' memory, one writer each.
/// No resets: signals and waits are counted, so a late wait can never miss or take twice.
struct Semaphore {
  std::uint64_t* inbound = nullptr;   // in this rank's memory, raised by the peer
  std::uint64_t* outbound = nullptr;  // in the peer's memory, raised by this rank
  std::uint64_t* expected = nullptr;  // in this rank's memory: how far wait() has come
  std::int32_t peer = -1;
  Doorbell* doorbell = nullptr;       // host: where the peer sleeps
  std::uint64_t* sleepers = nullptr;  // host: how many ranks do

  /// Raises the peer's counter. Everything this thread wrote before is visible to whoever sees it.
  SLUICE_FN void signal(std::uint64_t n = 1) const {
    port::add_release(outbound, n);  // pairs with the acquire in wait() and poll()
    wake();
  }

  /// Wakes the peer if it sleeps; after whatever it may be waiting for was written.
  SLUICE_FN void wake() const {
#if defined(SLUICE_HOST)
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (sleepers != nullptr && port::load_relaxed(sleepers) != 0) [[unlikely]]
      ring(*doorbell);
#endif
  }

  /// Waits for `n` more signals. False after a timeout, an abort or an earlier failure in `waits`.
  SLUICE_FN bool wait(WaitState& waits, std::uint64_t n = 1) const {
    const std::uint64_t target = port::load_relaxed(expected) + n;
    if (wait_at_least(waits, inbound, target, peer) < target) return false;
    port::store_relaxed(expected, target);
    return true;
  }

  /// Takes `n` signals if they are there; never waits.
  SLUICE_FN bool poll(std::uint64_t n = 1) const {
    const std::uint64_t target = port::load_relaxed(expected) + n;
    if (port::load_acquire(inbound) < target) return false;
    port::store_relaxed(expected, target);
    return true;
  }
};

}  // namespace sluice
