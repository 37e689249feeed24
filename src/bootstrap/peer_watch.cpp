#include "bootstrap/peer_watch.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "base/log.hpp"

namespace sluice::bootstrap {
namespace {

// Longer than a busy machine keeps the server from its processor; the server itself needs no grace
// to tell a death from a leave, so this delays news only where a child keeps a dead rank's socket.
constexpr std::chrono::milliseconds kGrace{500};

/// By system call: glibc 2.36 is the first with a wrapper.
Fd open_pidfd(std::uint32_t pid) { return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

}  // namespace

PeerWatch::PeerWatch(const Process& self, const std::vector<Process>& ranks) {
  std::map<std::uint32_t, std::vector<int>> by_pid;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    if (ranks[rank].host == self.host && ranks[rank].pid != self.pid) {
      by_pid[ranks[rank].pid].push_back(static_cast<int>(rank));
    }
  }
  for (auto& [pid, its_ranks] : by_pid) {
    Watched process;
    process.pidfd = open_pidfd(pid);
    const int error = errno;
    process.ranks = std::move(its_ranks);
    if (!process.pidfd.valid()) {
      if (error == ESRCH) {
        mark_ended(process);
      } else {
        log::debug(log::Topic::kBootstrap,
                   "no pidfd for process {}: {}; only the server watches it", pid,
                   std::strerror(error));
        continue;
      }
    }
    watched_.push_back(std::move(process));
  }
}

void PeerWatch::append_to(std::vector<pollfd>& polled) const {
  for (const Watched& process : watched_)
    polled.push_back({process.ended ? -1 : process.pidfd.get(), POLLIN, 0});
}

void PeerWatch::note(std::span<const pollfd> polled) {
  for (std::size_t i = 0; i < watched_.size() && i < polled.size(); ++i) {
    if (polled[i].revents != 0 && !watched_[i].ended) mark_ended(watched_[i]);
  }
}

void PeerWatch::mark_ended(Watched& process) {
  process.ended = true;
  process.pidfd.reset();
  process.report_at = Deadline::after(kGrace);
}

int PeerWatch::milliseconds_to_wait() const {
  int wait = -1;
  for (const Watched& process : watched_) {
    if (!process.ended) continue;
    const int left = process.report_at.milliseconds_left();
    wait = wait < 0 ? left : std::min(wait, left);
  }
  return wait;
}

std::vector<int> PeerWatch::due() {
  std::vector<int> ranks;
  std::erase_if(watched_, [&ranks](const Watched& process) {
    if (!process.ended || !process.report_at.passed()) return false;
    ranks.insert(ranks.end(), process.ranks.begin(), process.ranks.end());
    return true;
  });
  return ranks;
}

void PeerWatch::forget(int rank) {
  std::erase_if(watched_, [rank](Watched& process) {
    std::erase(process.ranks, rank);
    return process.ranks.empty();
  });
}

}  // namespace sluice::bootstrap
