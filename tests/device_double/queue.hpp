// A stream of the double: a thread that does one thing after the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <queue>
#include <thread>
#include <vector>

namespace sluice::test {

class Queue {
 public:
  using Work = std::function<void()>;

  Queue() : worker_([this] { work(); }) {}
  ~Queue() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }

  /// Does `work` behind all before it; while the queue is captured it becomes part of the graph.
  void add(Work work) {
    {
      const std::lock_guard lock(mutex_);
      if (captured_) return captured_->push_back(std::move(work));
      waiting_.push(std::move(work));
    }
    changed_.notify_all();
  }
  void drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.empty() && !busy_; });
  }
  void begin_capture() {
    static std::atomic<std::uint64_t> captures = 0;
    const std::lock_guard lock(mutex_);
    captured_.emplace();
    capture_ = ++captures;
  }
  /// The number of the capture that runs; 0: none does.
  std::uint64_t capture() {
    const std::lock_guard lock(mutex_);
    return captured_ ? capture_ : 0;
  }
  std::vector<Work> end_capture() {
    const std::lock_guard lock(mutex_);
    std::vector<Work> all = std::move(captured_).value();
    captured_.reset();
    return all;
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const Work next = std::move(waiting_.front());
      waiting_.pop();
      busy_ = true;
      lock.unlock();
      next();
      lock.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::queue<Work> waiting_;
  std::optional<std::vector<Work>> captured_;
  std::uint64_t capture_ = 0;
  bool busy_ = false, ending_ = false;
  std::thread worker_;
};

}  // namespace sluice::test
