// Sockets with deadlines: RAII descriptors and the few calls that the bootstrap needs.
//
// All sockets are non-blocking, close-on-exec, without Nagle's delay, and never raise SIGPIPE. The
// functions return 0 or an errno and log nothing: a refused connection is an error only once nobody
// will try again.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/deadline.hpp"
#include "bootstrap/address.hpp"
#include "sluice/status.hpp"

namespace sluice::bootstrap {

/// How often this process has been forked off another one while descriptors existed. What belongs
/// to an older generation (threads above all) is not ours.
unsigned fork_generation();

/// A descriptor that is closed with its owner and also in a child forked later (a data loader's
/// worker, say): the peers learn of a rank's death by its socket closing, so no child may keep a
/// copy open.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd);
  Fd(Fd&& other) noexcept;
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  bool valid() const { return fd_ >= 0; }
  int get() const { return fd_; }
  void reset();

 private:
  int fd_ = -1;
  unsigned generation_ = 0;
};

struct OpenResult {
  Fd fd;
  int error = 0;  // errno when the descriptor is not valid
};

/// Port 0 takes a free one. Tell the port with local_address(). `congestion_control`: of the
/// connections that come, where the system has it and lets us; empty: the system's default.
OpenResult listen_on(const Address& address, const std::string& congestion_control = {});
/// `from`: the local end, if it matters; its port does not count.
OpenResult connect_to(const Address& address, Deadline deadline, const Address* from = nullptr,
                      const std::string& congestion_control = {});
/// The same without waiting: ready for POLLOUT once connection_error() says what has come of it.
OpenResult start_connecting(const Address& address, const Address* from = nullptr,
                            const std::string& congestion_control = {});
/// 0 or an errno.
int connection_error(const Fd& socket);
/// EAGAIN when nobody is waiting.
OpenResult accept_from(const Fd& listener, Address& peer);
Result<Address> local_address(const Fd& socket);
/// A non-blocking eventfd that wakes a poll loop.
OpenResult make_wake_event();
void signal_wake_event(const Fd& event);
void clear_wake_event(const Fd& event);

/// Waits until the descriptor is ready for `events` (POLLIN, POLLOUT). ETIMEDOUT when the deadline
/// passed.
int wait_until_ready(const Fd& fd, short events, Deadline deadline);
int send_all(const Fd& socket, std::span<const std::byte> bytes, Deadline deadline);
/// ECONNRESET when the peer closed before the last byte.
int receive_exactly(const Fd& socket, std::span<std::byte> bytes, Deadline deadline);

}  // namespace sluice::bootstrap
