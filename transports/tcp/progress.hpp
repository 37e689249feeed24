// Who looks after a transport's sockets: a thread that sleeps until one has something, or, while a
// rank waits for a peer, the waiting thread itself, which is quicker by a wake-up.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"

namespace sluice::transport::tcp {

/// A socket with something to do. Calls of one transport's Watched never overlap.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual const bootstrap::Fd& descriptor() const = 0;
  /// Something has come, or there is room to send. Must not wait. False: it is over; nobody looks
  /// after it any more.
  virtual bool ready() = 0;
  /// Whether it waits for room to send. Asked when it is first watched, after ready(), and by
  /// look_again().
  virtual bool wants_to_send() const { return false; }

 private:
  friend class Progress;
  std::uint64_t id_ = 0;               // the number that epoll reports, once it is watched
  std::atomic<bool> watched_ = false;  // until its ready() has returned false
  std::atomic<bool> sending_ = false;  // epoll is to report room to send; written under mutex_
};

class Progress {
 public:
  /// How long a thread that waits for room polls before it sleeps and leaves it to the transport's.
  static constexpr std::chrono::milliseconds kPollingTime{1};

  static Result<std::unique_ptr<Progress>> start();
  /// Stops the thread and lets go of everything.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Looks after `one` until its ready() returns false. Any thread.
  Status watch(std::shared_ptr<Watched> one);

  /// Asks whether `one` waits for room: where that may change outside of ready(). Any thread; then
  /// wants_to_send() is called by any, too.
  void look_again(Watched& one);

  /// Serves what has come, or what comes within `patience`. For a thread that waits for what a peer
  /// is to send and calls this again and again; the transport's own thread keeps away meanwhile,
  /// and kAttendance longer. Any thread; while another one is at it, this returns at once.
  /// `awaited`: without patience most calls only look at this one, which saves asking which have
  /// something.
  void poll(std::chrono::milliseconds patience, Watched* awaited = nullptr);

  /// Before a thread that may have polled sleeps: the transport's thread takes over at once.
  void hand_over();

 private:
  using Clock = std::chrono::steady_clock;
  using Events = std::array<epoll_event, 64>;

  Progress() = default;
  void run();
  /// Whether somebody polls, or did a moment ago.
  bool is_attended() const;
  /// Waits until nobody does.
  void keep_away();
  /// Until a socket has something, or the wake event says that the thread is to look round. Who
  /// polls waits for the sockets alone.
  void sleep_until_called_or_needed();
  /// Says that this thread polls.
  void attend(std::chrono::milliseconds patience);
  std::span<const epoll_event> wait_for_events(Events& events, int ms);
  void serve(std::span<const epoll_event> events);
  std::shared_ptr<Watched> find(std::uint64_t id);
  void serve(Watched& one);
  void update(Watched& one);

  bootstrap::Fd epoll_;
  bootstrap::Fd wake_;
  const unsigned generation_ = bootstrap::fork_generation();
  std::atomic<bool> stopping_ = false;
  std::atomic<Clock::rep> attended_until_ = 0;  // by threads that poll; 0: by none
  std::atomic<bool> listening_ = false;         // the thread sleeps until something comes
  std::mutex away_mutex_;                       // of the thread's keeping away
  std::condition_variable handed_over_;
  std::mutex serving_;  // held by whoever calls ready()
  unsigned polls_ = 0;  // under serving_
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<Watched>> watched_;  // by the number that epoll reports
  std::uint64_t last_id_ = 0;
  std::thread thread_;
};

}  // namespace sluice::transport::tcp
