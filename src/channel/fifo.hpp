// Requests from kernels to a thread of the host: a ring of lines in memory that both reach.
#pragma once

#include <cstdint>
#include <span>

#include "base/port.hpp"
#include "channel/port_channel.hpp"
#include "channel/wait.hpp"

namespace sluice {

enum class RequestKind : std::uint32_t { kPut = 0, kPutSignal = 1, kSignal = 2, kFlush = 3 };

/// One request. The poster fills it in and releases `turn`, the request's number from 1; the proxy
/// acquires it.
struct alignas(64) FifoSlot {
  PutRequest put;
  std::uint32_t channel;
  RequestKind kind;
  std::uint64_t turn;
};
static_assert(sizeof(FifoSlot) == 64);

/// What a ring consists of. The slots, `taken` and `flushed` are in memory that kernels and host
/// reach (pinned); `posted` where the posting threads can add quickly. All begin as zero.
struct FifoMemory {
  FifoSlot* slots = nullptr;
  std::uint64_t count = 0;           // slots
  std::uint64_t* posted = nullptr;   // requests whose places have been handed out
  std::uint64_t* taken = nullptr;    // requests that the proxy has taken out; on a line of its own
  std::uint64_t* flushed = nullptr;  // by channel: number of the last flush that is done
};

/// The Port of a PortChannel whose requests a Proxy carries out. A handle: trivially copyable,
/// usable in a kernel. Any number of threads may post.
struct FifoPort {
  FifoMemory memory;
  std::uint32_t channel = 0;  // Proxy::add() returned it
  std::int32_t peer = -1;
  WaitState* waits = nullptr;

  /// Waits for room. False after a failed wait; then nothing behind it is carried out either.
  SLUICE_FN bool post(std::span<const PutRequest> requests, bool signal) const noexcept {
    if (requests.empty()) return !signal || enqueue({}, RequestKind::kSignal) != 0;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const bool last = i + 1 == requests.size();
      const RequestKind kind = last && signal ? RequestKind::kPutSignal : RequestKind::kPut;
      if (enqueue(requests[i], kind) == 0) return false;
    }
    return true;
  }

  SLUICE_FN bool flush() const noexcept {
    const std::uint64_t number = enqueue({}, RequestKind::kFlush);
    return number != 0 && wait_at_least(*waits, &memory.flushed[channel], number, peer) >= number;
  }

 private:
  /// The request's number; 0 after a failure.
  SLUICE_FN std::uint64_t enqueue(const PutRequest& put, RequestKind kind) const noexcept {
    if (port::load_relaxed(&waits->failed) != 0) return 0;
    const std::uint64_t number = port::fetch_add(memory.posted, 1) + 1;
    // Acquire: what the proxy read from the slot before, it has read before this writes there.
    if (number > memory.count) {
      const std::uint64_t room = number - memory.count;
      if (wait_at_least(*waits, memory.taken, room, peer) < room) return 0;
    }
    FifoSlot& slot = memory.slots[(number - 1) % memory.count];
    slot.put = put;
    slot.channel = channel;
    slot.kind = kind;
    port::store_release(&slot.turn, number);  // pairs with the acquire in Proxy
    return number;
  }
};
static_assert(Port<const FifoPort>);

}  // namespace sluice
