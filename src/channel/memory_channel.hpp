// MemoryChannel: one-sided access to a peer's memory that this rank has mapped.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/packet.hpp"
#include "channel/semaphore.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

/// A stretch of memory.
struct Window {
  std::byte* base = nullptr;
  std::uint64_t bytes = 0;

  /// Whether [offset, offset + length) lies inside; no overflow.
  SLUICE_FN constexpr bool contains(std::uint64_t offset, std::uint64_t length) const {
    return offset <= bytes && length <= bytes - offset;
  }
};

/// A handle: trivially copyable, usable in a kernel, owns nothing. All offsets and sizes are bytes,
/// 64 bits wide and checked in every build: one that leaves its window moves nothing, returns false
/// and ends the communicator with an error that names it.
///
/// Order: puts happen before the next signal() on the channel; there is no order between two puts.
/// What a peer put before its signal is readable after the wait() that took it. Every call is made
/// by all threads of `group` with the same arguments.
struct MemoryChannel {
  Window local;         // this rank's memory, which the peer reaches as its `remote`
  Window remote;        // the peer's memory
  Semaphore semaphore;  // signals to and from the peer
  WaitState* waits = nullptr;

  /// remote[remote_offset, + bytes) = local[local_offset, + bytes).
  template <ThreadGroup Group>
  SLUICE_FN bool put(const Group& group, std::uint64_t remote_offset, std::uint64_t local_offset,
                     std::uint64_t bytes) const {
    if (!check(group, remote, remote_offset, bytes) || !check(group, local, local_offset, bytes))
      return false;
    copy(group, remote.base + remote_offset, local.base + local_offset, bytes);
    return true;
  }

  /// local[local_offset, + bytes) = remote[remote_offset, + bytes).
  template <ThreadGroup Group>
  SLUICE_FN bool get(const Group& group, std::uint64_t local_offset, std::uint64_t remote_offset,
                     std::uint64_t bytes) const {
    if (!check(group, remote, remote_offset, bytes) || !check(group, local, local_offset, bytes))
      return false;
    copy(group, local.base + local_offset, remote.base + remote_offset, bytes);
    return true;
  }

  /// Writes local[local_offset, + bytes) as packets with `tag` at remote_offset (64-byte aligned;
  /// packet_lines(bytes) lines of 64 bytes there). No signal needed. `tag` must grow from use to
  /// use of the same lines, and the peer must have read the previous ones.
  template <ThreadGroup Group>
  SLUICE_FN bool put_packets(const Group& group, std::uint64_t remote_offset,
                             std::uint64_t local_offset, std::uint64_t bytes,
                             std::uint64_t tag) const {
    if (!check_lines(group, remote, remote_offset, bytes) ||
        !check(group, local, local_offset, bytes))
      return false;
    sluice::put_packets(group, lines(remote, remote_offset), local.base + local_offset, bytes, tag);
    semaphore.wake();
    return true;
  }

  /// Waits for the peer's packets with `tag` at local packet_offset and unpacks them to
  /// local[local_offset, + bytes).
  template <ThreadGroup Group>
  SLUICE_FN bool receive_packets(const Group& group, std::uint64_t local_offset,
                                 std::uint64_t packet_offset, std::uint64_t bytes,
                                 std::uint64_t tag) const {
    if (!check_lines(group, local, packet_offset, bytes) ||
        !check(group, local, local_offset, bytes))
      return false;
    return !group.any(sluice::receive_packets(group, *waits, lines(local, packet_offset),
                                              local.base + local_offset, bytes, tag,
                                              semaphore.peer) < tag);
  }

  /// Tells the peer that everything put before is there.
  template <ThreadGroup Group>
  SLUICE_FN void signal(const Group& group) const {
    group.sync();
    if (group.rank() == 0) semaphore.signal();
  }

  /// Waits for one signal of the peer. False, for all threads, after a timeout or abort; then do
  /// not read what was to come.
  template <ThreadGroup Group>
  SLUICE_FN bool wait(const Group& group) const {
    bool missed = false;
    if (group.rank() == 0) missed = !semaphore.wait(*waits) || waits->failed != 0;
    return !group.any(missed);
  }

  /// Takes one signal of the peer if it is there. One thread.
  SLUICE_FN bool poll() const { return semaphore.poll(); }

 private:
  SLUICE_FN static PacketLine* lines(const Window& window, std::uint64_t offset) {
    return reinterpret_cast<PacketLine*>(window.base + offset);
  }
  template <ThreadGroup Group>
  SLUICE_FN bool check(const Group& group, const Window& window, std::uint64_t offset,
                       std::uint64_t bytes) const {
    if (window.contains(offset, bytes)) return true;
    if (group.rank() != 0) return false;
    record_failure(*waits, WaitOutcome::kOutOfRange, semaphore.peer, window.bytes, offset + bytes);
    return false;
  }
  template <ThreadGroup Group>
  SLUICE_FN bool check_lines(const Group& group, const Window& window, std::uint64_t offset,
                             std::uint64_t bytes) const {
    const bool aligned =
        reinterpret_cast<std::uintptr_t>(window.base + offset) % alignof(PacketLine) == 0;
    return check(group, window, aligned ? offset : window.bytes + 1,
                 packet_lines(bytes) * sizeof(PacketLine));
  }
};

}  // namespace sluice
