// A thread group of several host threads: what a block of a kernel is, where there is no GPU.
#pragma once

#include <atomic>

#include "channel/thread_group.hpp"

namespace sluice::test {

/// A barrier of a fixed number of threads that collects one bit. Waiting threads sleep: there may
/// be many more than cores.
class TeamBarrier {
 public:
  explicit TeamBarrier(unsigned threads) : threads_(threads) {}

  /// Waits for all others; whether any of them said `yes`.
  bool arrive(bool yes) {
    const unsigned turn = turn_.load(std::memory_order_relaxed);
    if (yes) said_yes_.store(true, std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      arrived_.store(0, std::memory_order_relaxed);
      result_ = said_yes_.exchange(false, std::memory_order_relaxed);
      turn_.store(turn + 1, std::memory_order_release);  // pairs with those who wait
      turn_.notify_all();
    } else {
      while (turn_.load(std::memory_order_acquire) == turn) turn_.wait(turn);
    }
    return result_;  // nobody writes it before this thread has arrived again
  }

 private:
  const unsigned threads_;
  std::atomic<unsigned> arrived_ = 0, turn_ = 0;
  std::atomic<bool> said_yes_ = false;
  bool result_ = false;
};

class HostTeam {
 public:
  HostTeam(TeamBarrier& barrier, unsigned rank, unsigned size)
      : barrier_(barrier), rank_(rank), size_(size) {}

  unsigned rank() const { return rank_; }
  unsigned size() const { return size_; }
  void sync() const { barrier_.arrive(false); }
  bool any(bool yes) const { return barrier_.arrive(yes); }

 private:
  TeamBarrier& barrier_;
  unsigned rank_, size_;
};
static_assert(ThreadGroup<HostTeam>);

}  // namespace sluice::test
