#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/deadline.hpp"
#include "base/fd.hpp"
#include "support/ranks.hpp"

namespace sluice::test {
namespace {

struct Pipe {
  Fd read_end, write_end;
};

std::optional<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

bool write_all(const Fd& fd, const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes != 0) {
    const ssize_t written = ::write(fd.get(), from, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    from += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

/// A child of this process and the pipe that it reports on.
class ChildProcess {
 public:
  ChildProcess(pid_t pid, Fd reports) : pid_(pid), reports_(std::move(reports)) {}
  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        reports_(std::move(other.reports_)),
        heard_(std::move(other.heard_)) {}
  ~ChildProcess() { end(); }

  /// Kills it, if it still runs; what its exit says.
  std::string end() {
    if (pid_ <= 0) return {};
    ::kill(pid_, SIGKILL);
    return wait();
  }
  /// Waits for its end. Empty when it exited with 0.
  std::string wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? std::string()
                                    : fmt::format("exit status {}", WEXITSTATUS(status));
  }
  /// Reads until the pipe closes; false when the deadline passed first.
  bool hear(Deadline deadline) {
    for (;;) {
      pollfd polled{reports_.get(), POLLIN, 0};
      const int ready = ::poll(&polled, 1, deadline.milliseconds_left());
      if (ready < 0 && errno == EINTR) continue;
      if (ready <= 0) return false;
      char chunk[4096];
      const ssize_t bytes = ::read(reports_.get(), chunk, sizeof chunk);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes <= 0) return true;
      heard_.append(chunk, static_cast<std::size_t>(bytes));
    }
  }
  /// Reads `bytes`; false when they do not come in time.
  bool hear_exactly(void* to, std::size_t bytes, Deadline deadline) {
    for (std::size_t have = 0; have < bytes;) {
      pollfd polled{reports_.get(), POLLIN, 0};
      if (::poll(&polled, 1, deadline.milliseconds_left()) <= 0) return false;
      const ssize_t got = ::read(reports_.get(), static_cast<char*>(to) + have, bytes - have);
      if (got <= 0) return false;
      have += static_cast<std::size_t>(got);
    }
    return true;
  }
  const std::string& heard() const { return heard_; }

 private:
  pid_t pid_;
  Fd reports_;
  std::string heard_;
};

/// Forks; the child runs `body` with the pipe's write end and leaves with what it returns. It dies
/// with its parent.
std::optional<ChildProcess> fork_child(const std::function<int(const Fd& reports)>& body) {
  auto pipe = make_pipe();
  if (!pipe) return std::nullopt;
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return std::nullopt;
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(99);
    pipe->read_end.reset();
    ::_exit(body(pipe->write_end));
  }
  return ChildProcess(pid, std::move(pipe->read_end));
}

/// Makes the id and keeps its rendezvous alive until it is killed.
int serve_id(const Fd& reports, const Place& place) {
  if (place) place(0);
  const auto id = UniqueId::create();
  if (!id.ok() || !write_all(reports, id.value().bytes.data(), id.value().bytes.size())) return 1;
  for (;;) ::pause();
}

int run_rank(const Fd& reports, const UniqueId& id, int rank, int ranks, const Body& body,
             const Launch& launch) {
  if (launch.place) launch.place(rank);
  for (const auto& [variable, value] : launch.environment)
    ::setenv(variable.c_str(), value.c_str(), 1);
  if (!launch.hosts.empty())
    ::setenv("SLUICE_HOST",
             fmt::format("host {}", launch.hosts[static_cast<std::size_t>(rank)]).c_str(), 1);
  std::string error;
  {
    auto communicator = Communicator::create(id, rank, ranks, launch.options);
    if (communicator.ok()) {
      error = body(communicator.value());
      if (!error.empty()) static_cast<void>(communicator->abort());
    } else {
      error = "create: " + text_of(communicator.status());
    }
  }
  write_all(reports, error.data(), error.size());
  return error.empty() ? 0 : 1;
}

bool has_threads() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                       std::filesystem::directory_iterator()) > 1;
}

#if defined(__SANITIZE_THREAD__)
constexpr bool kOwnThreads = true;  // of the sanitizer itself
#else
constexpr bool kOwnThreads = false;
#endif

}  // namespace

std::string spawn_processes(int ranks, const Body& body, const Launch& launch) {
  if (!kOwnThreads && has_threads()) return "this process has threads: it cannot fork ranks safely";
  const Deadline deadline = Deadline::after(launch.deadline);
  auto server = fork_child([&](const Fd& reports) { return serve_id(reports, launch.place); });
  UniqueId id;
  if (!server || !server->hear_exactly(id.bytes.data(), id.bytes.size(), deadline))
    return "no unique id";
  std::vector<ChildProcess> children;
  for (int rank = 0; rank < ranks; ++rank) {
    auto child = fork_child(
        [&](const Fd& reports) { return run_rank(reports, id, rank, ranks, body, launch); });
    if (!child) return fmt::format("no process for rank {}: {}", rank, std::strerror(errno));
    children.push_back(std::move(*child));
  }
  std::string all;
  for (int rank = 0; rank < ranks; ++rank) {
    ChildProcess& child = children[static_cast<std::size_t>(rank)];
    const bool ended = child.hear(deadline);
    const std::string status = ended ? child.wait() : child.end();
    if (!ended)
      all += fmt::format("rank {}: hung for {} s\n", rank, launch.deadline.count());
    else if (!status.empty() || !child.heard().empty())
      all += fmt::format("rank {}: {} ({})\n", rank, child.heard(), status);
  }
  return all;
}

}  // namespace sluice::test
