#include "bootstrap/socket.hpp"

#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include "base/error.hpp"

namespace sluice::bootstrap {
namespace {

constexpr int kMaxTrackedFd = 1 << 16;
constinit std::array<std::atomic<bool>, kMaxTrackedFd> close_in_child{};
constinit std::atomic<int> highest_tracked{-1};
constinit std::atomic<unsigned> generation{0};

std::atomic<bool>& closes_in_child(int fd) { return close_in_child[static_cast<std::size_t>(fd)]; }

// Only async-signal-safe calls: the child of a threaded process may not do more before exec.
void close_all_in_forked_child() {
  for (int fd = 0; fd <= highest_tracked.load(); ++fd) {
    if (closes_in_child(fd).exchange(false)) ::close(fd);
  }
  generation.fetch_add(1);
}

void track(int fd) {
  [[maybe_unused]] static const int registered =
      ::pthread_atfork(nullptr, nullptr, close_all_in_forked_child);
  if (fd >= kMaxTrackedFd) return;
  closes_in_child(fd).store(true);
  int highest = highest_tracked.load();
  while (highest < fd && !highest_tracked.compare_exchange_weak(highest, fd)) {
  }
}

void set_option(int fd, int level, int option, int value) {
  // These only tune; a kernel without one of them still works.
  (void)::setsockopt(fd, level, option, &value, sizeof value);
}

/// A host that vanished without closing its sockets (power, cable) is noticed after about 25 s.
void tune_connection(int fd) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 25'000);
}

/// The congestion control is set before there is a connection: what one has begun to do for a
/// connection, another that takes its place does not end. bbr's timers for each packet, say.
Fd make_socket(int family, const std::string& congestion_control) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.valid() && !congestion_control.empty())
    (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, congestion_control.data(),
                       static_cast<socklen_t>(congestion_control.size()));
  return fd;
}

}  // namespace

unsigned fork_generation() { return generation.load(); }

Fd::Fd(int fd) : fd_(fd), generation_(fork_generation()) {
  if (fd_ >= 0) track(fd_);
}

Fd::Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)), generation_(other.generation_) {}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
    generation_ = other.generation_;
  }
  return *this;
}

void Fd::reset() {
  const int fd = std::exchange(fd_, -1);
  if (fd < 0 || generation_ != fork_generation()) return;  // closed when the fork happened
  if (fd < kMaxTrackedFd) closes_in_child(fd).store(false);
  ::close(fd);
}

OpenResult listen_on(const Address& address, const std::string& congestion_control) {
  Fd fd = make_socket(address.family, congestion_control);
  if (!fd.valid()) return {Fd(), errno};
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  sockaddr_storage storage;
  const socklen_t length = address.to_socket_address(storage);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    return {Fd(), errno};
  if (::listen(fd.get(), SOMAXCONN) != 0) return {Fd(), errno};
  return {std::move(fd), 0};
}

OpenResult start_connecting(const Address& address, const Address* from,
                            const std::string& congestion_control) {
  Fd fd = make_socket(address.family, congestion_control);
  if (!fd.valid()) return {Fd(), errno};
  tune_connection(fd.get());
  sockaddr_storage storage;
  if (from != nullptr) {
    Address local = *from;
    local.port = 0;
    const socklen_t length = local.to_socket_address(storage);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
      return {Fd(), errno};
  }
  const socklen_t length = address.to_socket_address(storage);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0 &&
      errno != EINPROGRESS && errno != EINTR)
    return {Fd(), errno};
  return {std::move(fd), 0};
}

int connection_error(const Fd& socket) {
  int error = 0;
  socklen_t error_length = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &error_length) != 0) error = errno;
  return error;
}

OpenResult connect_to(const Address& address, Deadline deadline, const Address* from,
                      const std::string& congestion_control) {
  OpenResult opened = start_connecting(address, from, congestion_control);
  if (!opened.fd.valid()) return opened;
  opened.error = wait_until_ready(opened.fd, POLLOUT, deadline);
  if (opened.error == 0) opened.error = connection_error(opened.fd);
  if (opened.error != 0) opened.fd.reset();
  return opened;
}

OpenResult accept_from(const Fd& listener, Address& peer) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  Fd fd(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&storage), &length,
                  SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) return {Fd(), errno};
  tune_connection(fd.get());
  peer = Address::from_socket_address(storage).value_or(Address{});
  return {std::move(fd), 0};
}

Result<Address> local_address(const Fd& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return fail_os("getsockname failed", "the address of a socket could not be read", errno);
  }
  const auto address = Address::from_socket_address(storage);
  if (!address)
    return fail(Errc::kInternalError, "not an IP socket", "a socket is neither IPv4 nor IPv6");
  return *address;
}

OpenResult make_wake_event() {
  Fd fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  const int error = fd.valid() ? 0 : errno;
  return {std::move(fd), error};
}

void signal_wake_event(const Fd& event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written =
      ::write(event.get(), &one, sizeof one);  // full means: already signalled
}

void clear_wake_event(const Fd& event) {
  std::uint64_t count = 0;
  [[maybe_unused]] const auto read = ::read(event.get(), &count, sizeof count);
}

int wait_until_ready(const Fd& fd, short events, Deadline deadline) {
  for (;;) {
    pollfd entry{fd.get(), events, 0};
    const int ready = ::poll(&entry, 1, deadline.milliseconds_left());
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
    if (deadline.passed()) return ETIMEDOUT;
  }
}

int send_all(const Fd& socket, std::span<const std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (const int error = wait_until_ready(socket, POLLOUT, deadline)) return error;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

int receive_exactly(const Fd& socket, std::span<std::byte> bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const auto received = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (received > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(received));
    } else if (received == 0) {
      return ECONNRESET;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (const int error = wait_until_ready(socket, POLLIN, deadline)) return error;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace sluice::bootstrap
