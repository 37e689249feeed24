// The thread of a transport: sleeps until a socket has something for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"

namespace sluice::transport::tcp {

/// What the thread looks after.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual const bootstrap::Fd& descriptor() const = 0;
  /// On the progress thread: something has come, or there is room to send. Must not wait. False:
  /// it is over; the thread lets go of it.
  virtual bool ready() = 0;
  /// Whether it waits for room to send. Asked after ready().
  virtual bool wants_to_send() const { return false; }
};

class Progress {
 public:
  static Result<std::unique_ptr<Progress>> start();
  /// Stops the thread and lets go of everything.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Looks after `one` until its ready() returns false. Any thread.
  Status watch(std::shared_ptr<Watched> one);

 private:
  struct Entry {
    std::shared_ptr<Watched> watched;
    bool sending = false;
  };

  Progress() = default;
  void run();
  void serve(std::uint64_t id);

  bootstrap::Fd epoll_;
  bootstrap::Fd wake_;
  const unsigned generation_ = bootstrap::fork_generation();
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::map<std::uint64_t, Entry> entries_;  // by the number that epoll reports
  std::uint64_t last_id_ = 0;               // 0 is the wake event
  std::thread thread_;
};

}  // namespace sluice::transport::tcp
