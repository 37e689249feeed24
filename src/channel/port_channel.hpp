// PortChannel: one-sided access to a peer across a port (Ethernet, RDMA, a copy engine). The same
// calls as a MemoryChannel, but each becomes a request that the port carries out.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "channel/memory_channel.hpp"
#include "channel/semaphore.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// One stretch of a put.
struct PutRequest {
  std::uint64_t remote_offset;
  std::uint64_t local_offset;
  std::uint64_t bytes;
};

/// What carries the requests of one channel: a queue towards one peer. post() takes requests in
/// order and may return before they are carried out; with `signal` the peer's counter grows once
/// all of them, and all posted before, are in its memory. flush() returns when the local memory of
/// everything posted may be reused. Both return false after a failure, which the port has recorded
/// in the channel's WaitState.
template <class P>
concept Port = requires(P& port, std::span<const PutRequest> requests, bool signal) {
  { port.post(requests, signal) }
  noexcept->std::same_as<bool>;
  { port.flush() }
  noexcept->std::same_as<bool>;
};

/// The handle. Order: as MemoryChannel, puts before the next signal. Offsets are checked here
/// against both windows, and by the receiving port again. The verbs without a group are one
/// thread's; those with one are called by all its threads alike, and take along what they wrote. In
/// a kernel `port` points to a FifoPort of the kernel's own.
template <Port P>
struct PortChannel {
  Window local;
  Window remote;  // base is never dereferenced; bytes is the size of the peer's region
  Semaphore semaphore;
  WaitState* waits = nullptr;
  P* port = nullptr;

  SLUICE_FN bool put(std::uint64_t remote_offset, std::uint64_t local_offset,
                     std::uint64_t bytes) const {
    return put_batch({{PutRequest{remote_offset, local_offset, bytes}}}, false);
  }
  /// put(), then one signal.
  SLUICE_FN bool put_signal(std::uint64_t remote_offset, std::uint64_t local_offset,
                            std::uint64_t bytes) const {
    return put_batch({{PutRequest{remote_offset, local_offset, bytes}}}, true);
  }
  /// Many stretches in one request; all or, when one is out of range, none.
  SLUICE_FN bool put_batch(std::span<const PutRequest> requests, bool signal) const {
    for (const PutRequest& request : requests) {
      if (!inside(remote, request.remote_offset, request.bytes)) return false;
      if (!inside(local, request.local_offset, request.bytes)) return false;
    }
    return port->post(requests, signal);
  }
  SLUICE_FN bool signal() const { return port->post({}, true); }
  SLUICE_FN bool flush() const { return port->flush(); }
  SLUICE_FN bool wait() const { return semaphore.wait(*waits); }
  SLUICE_FN bool poll() const { return semaphore.poll(); }

  template <ThreadGroup Group>
  SLUICE_FN bool put(const Group& group, std::uint64_t remote_offset, std::uint64_t local_offset,
                     std::uint64_t bytes) const {
    return first(group, [&] { return put(remote_offset, local_offset, bytes); });
  }
  template <ThreadGroup Group>
  SLUICE_FN bool put_signal(const Group& group, std::uint64_t remote_offset,
                            std::uint64_t local_offset, std::uint64_t bytes) const {
    return first(group, [&] { return put_signal(remote_offset, local_offset, bytes); });
  }
  template <ThreadGroup Group>
  SLUICE_FN bool signal(const Group& group) const {
    return first(group, [&] { return signal(); });
  }
  template <ThreadGroup Group>
  SLUICE_FN bool flush(const Group& group) const {
    return first(group, [&] { return flush(); });
  }
  template <ThreadGroup Group>
  SLUICE_FN bool wait(const Group& group) const {
    return first(group, [&] { return wait(); });
  }

 private:
  /// What the first thread's `call` returns, for all.
  template <ThreadGroup Group, class Call>
  SLUICE_FN static bool first(const Group& group, Call call) {
    group.sync();
    return !group.any(group.rank() == 0 && !call());
  }
  SLUICE_FN bool inside(const Window& window, std::uint64_t offset, std::uint64_t bytes) const {
    if (window.contains(offset, bytes)) return true;
    record_failure(*waits, WaitOutcome::kOutOfRange, semaphore.peer, window.bytes, offset + bytes);
    return false;
  }
};

}  // namespace sluice
