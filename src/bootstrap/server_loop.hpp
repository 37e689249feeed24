// The server's poll loop: accepts, authenticates strangers, moves frames between sockets and the
// ServerJob.
#pragma once

#include <poll.h>

#include <atomic>
#include <memory>
#include <vector>

#include "bootstrap/server.hpp"
#include "bootstrap/server_job.hpp"

namespace sluice::bootstrap {

class ServerLoop {
 public:
  ServerLoop(Server::Setup setup, Fd wake) : setup_(std::move(setup)), wake_(std::move(wake)) {}

  /// Until the job is over or stop(). The thread's body.
  void run();
  void stop();

 private:
  void poll_once();
  int milliseconds_to_wait() const;
  void accept_waiting();
  void make_room_for_stranger();
  void receive_from(Connection& connection);
  bool advance_handshake(Connection& connection);
  void take_hello(Connection& connection);
  void take_proof(Connection& connection);
  void take_frames(Connection& connection);
  void discard(Connection& connection);
  void drop(Connection& connection, const std::string& why);
  void expire_strangers();
  void flush_and_sweep();
  void flush(Connection& connection);
  void finish(Connection& connection);
  void say_last_words();
  void warn_refused(const Connection& connection, const std::string& why);

  Server::Setup setup_;
  Fd wake_;
  std::atomic<bool> stopping_{false};
  ServerJob job_;
  std::vector<std::unique_ptr<Connection>> connections_;  // oldest first
  std::vector<pollfd> polled_;
  Deadline accept_again_ = Deadline::after(std::chrono::seconds(0));
  int warnings_ = 0;
};

}  // namespace sluice::bootstrap
