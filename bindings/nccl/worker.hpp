// A thread of a communicator's own, for calls that the caller's thread does not wait for or that
// must run beside others of a group. Started by its first task.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace sluice::nccl {

class Worker {
 public:
  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Waits for the tasks; unless it is called by one of them (the last owner of a communicator that
  /// was given up may be its own task), then the thread ends by itself.
  ~Worker();

  /// Tasks run one after the other, in order.
  void submit(std::function<void()> task);

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> tasks;
    bool ending = false;
  };
  static void serve(const std::shared_ptr<Queue>& queue);

  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::thread thread_;
};

}  // namespace sluice::nccl
