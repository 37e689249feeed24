// What the server knows of its job: who has joined, what to relay, who is gone. Knows nothing of
// polling.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/server_connection.hpp"

namespace sluice::bootstrap {

class ServerJob {
 public:
  /// One frame from a proved connection. May mark it dead or closing.
  void handle(Connection& from, const Frame& frame);
  /// The socket of a member closed or failed. Tells the others unless it had left.
  void member_gone(Connection& member, const std::string& why);
  /// The rendezvous ends now: refusals before completion, goodbyes after it.
  void end();
  /// For the timeout messages of ranks that wait in vain.
  void remark(std::string text) { remark_ = std::move(text); }

  bool complete() const { return complete_; }
  /// All ranks had joined and none is left.
  bool over() const { return complete_ && member_count_ == 0; }

 private:
  void add(Connection& connection, const Frame& frame);
  std::string objection(const Connection& connection, std::uint32_t rank,
                        const Registration& registration, const std::string& who) const;
  void refuse(Connection& connection, Errc code, const std::string& why);
  void welcome_all();
  void gather(Connection& from, const Frame& frame);
  void abort(Connection& from, const Frame& frame);
  void leave(Connection& member);
  void remove(Connection& member);
  void report_joined(Connection& to);
  void relay(const SharedBytes& bytes, const Connection* except);
  void break_off(Connection& member, const std::string& why);
  /// Ranks that never came; those that came and gave up waiting are not among them.
  std::vector<int> missing() const;
  /// The process ends, and its ranks have not left: exit() in the middle of a job is no clean
  /// leave.
  void lose_ranks_of_this_process();

  std::vector<Connection*>
      members_;                // by rank; empty until the first rank has said how many there are
  std::vector<bool> gave_up_;  // by rank: asked who is missing, which a rank does as its last act
  std::size_t member_count_ = 0;
  bool complete_ = false;
  std::string remark_;
};

/// A last frame, then close.
void close_with(Connection& connection, SharedBytes last);

}  // namespace sluice::bootstrap
