// A lock that is had in the order in which it was asked for.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::transport::tcp {

/// std::mutex may go to the same thread again and again: who cuts a long put into turns would
/// shut the others out. Held only for work that has a deadline, so waiting for it has one, too.
class Turn {
 public:
  void lock() {
    const std::uint32_t mine = next_.fetch_add(1, std::memory_order_relaxed);
    // Pairs with the release in unlock().
    for (std::uint32_t now; (now = served_.load(std::memory_order_acquire)) != mine;)
      served_.wait(now, std::memory_order_relaxed);
  }
  /// Only if nobody has it or waits for it.
  bool try_lock() {
    std::uint32_t now = served_.load();
    return next_.compare_exchange_strong(now, now + 1);
  }
  /// Sequentially consistent, like the unlock: who leaves something to whoever has the turn, and
  /// then finds it free, and who gives it back and then looks for what was left, do not both miss
  /// the other.
  bool is_free() const { return next_.load() == served_.load(); }
  void unlock() {
    served_.fetch_add(1);
    served_.notify_all();
  }

 private:
  std::atomic<std::uint32_t> next_ = 0;
  std::atomic<std::uint32_t> served_ = 0;
};

}  // namespace sluice::transport::tcp
