// Watches the processes of ranks on this host through pidfds, so that their death is noticed
// without the server.
#pragma once

#include <poll.h>

#include <span>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/messages.hpp"
#include "bootstrap/socket.hpp"

namespace sluice::bootstrap {

class PeerWatch {
 public:
  /// Watches those of `ranks` that live on the host of `self` in another process.
  PeerWatch(const Process& self, const std::vector<Process>& ranks);

  /// One entry per watched process, for note() after the poll.
  void append_to(std::vector<pollfd>& polled) const;
  void note(std::span<const pollfd> polled);
  /// Milliseconds until due() may have news; -1 when no process has ended.
  int milliseconds_to_wait() const;
  /// Ranks whose process ended a moment ago: long enough for the news that they had left to
  /// overtake. Each once.
  std::vector<int> due();

  void forget(int rank);
  void stop() { watched_.clear(); }

 private:
  struct Watched {
    Fd pidfd;
    std::vector<int> ranks;
    bool ended = false;
    Deadline report_at = Deadline::after(std::chrono::seconds(0));
  };
  static void mark_ended(Watched& process);

  std::vector<Watched> watched_;
};

}  // namespace sluice::bootstrap
