// A forked process that plays the peer in a test, and a line to it.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

#include "base/fd.hpp"

namespace sluice::test {

/// Messages (whole packets) between parent and child; a receive gives up after 20 s.
class Line {
 public:
  explicit Line(int socket) : socket_(socket) {}

  bool send(const std::string& text) const {
    return ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) >= 0;
  }
  std::string receive() const {
    std::string text(4096, '\0');
    pollfd polled = {socket_.get(), POLLIN, 0};
    if (::poll(&polled, 1, 20'000) <= 0) return "";
    const ssize_t got = ::recv(socket_.get(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
  void close() { socket_.reset(); }

 private:
  Fd socket_;
};

/// Make it before the test starts threads: the child is a plain fork().
class Child {
 public:
  /// The child's exit status is 0 if `body` returns true.
  explicit Child(const std::function<bool(Line& parent)>& body) : Child(body, make_pair()) {}
  ~Child() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    static_cast<void>(wait());
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  Line& line() { return line_; }
  void kill() const { ::kill(pid_, SIGKILL); }

  /// Waits for its end; whether its body returned true.
  bool wait() {
    if (pid_ <= 0) return false;
    int status = 0;
    const bool ended = ::waitpid(pid_, &status, 0) == pid_;
    pid_ = 0;
    return ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  struct Pair {
    int ends[2] = {-1, -1};
  };
  static Pair make_pair() {
    Pair pair;
    static_cast<void>(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.ends));
    return pair;
  }
  Child(const std::function<bool(Line& parent)>& body, Pair pair) : line_(pair.ends[0]) {
    pid_ = ::fork();
    if (pid_ == 0) {
      line_.close();
      Line parent(pair.ends[1]);
      ::_exit(body(parent) ? 0 : 1);
    }
    ::close(pair.ends[1]);
  }

  Line line_;
  pid_t pid_ = -1;
};

/// Descriptors that this process has open.
inline std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"),
                       std::filesystem::directory_iterator());
}

/// Whether this process soon has `count` descriptors open, and keeps to that for a while: a server's
/// thread may be about to close some, and to accept, and then close, what still queues.
inline bool open_descriptors_settle_at(std::ptrdiff_t count) {
  constexpr int kLooks = 2000, kSteadyLooks = 20;
  for (int look = 0, steady = 0; look < kLooks; ++look) {
    steady = open_descriptors() == count ? steady + 1 : 0;
    if (steady == kSteadyLooks) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace sluice::test
