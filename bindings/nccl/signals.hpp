// The signals of ncclSignal, ncclPutSignal and ncclWaitSignal: counters that peers raise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "communicator/peer_memory.hpp"
#include "sluice/communicator.hpp"
#include "sluice/memory.hpp"
#include "sluice/status.hpp"

namespace sluice {

class DeviceSignals;
struct ListedWait;

namespace nccl {

/// A counter for each peer, context and index, in memory that the peer reaches; it only grows. The
/// counters are in memory of the host, and calls on them run at once, or they are in memory of the
/// ranks' GPUs, and calls on them run on streams.
class SignalBoard {
 public:
  SignalBoard();
  SignalBoard(const SignalBoard&) = delete;
  SignalBoard& operator=(const SignalBoard&) = delete;
  ~SignalBoard();

  bool exists() const { return ranks_ != 0; }
  /// Where they are; they exist.
  bool on_device() const { return on_device_ != nullptr; }

  enum class Memory : std::uint8_t { kHost, kDevice };
  /// Collective, once. All ranks can map each other's memory of that kind.
  Status make(Communicator& ranks, int contexts, int signals, Memory memory);

  struct Name {
    int peer;
    int context;
    int index;
  };
  /// Ok, or kInvalidArgument: outside of what the board has.
  Status check(const Name& name) const;

  /// Of counters on GPUs: the peer's, to be raised, and what a wait of a kernel needs.
  std::uint64_t* device_counter(const Name& name) const;
  ListedWait device_wait(const Name& name, std::uint64_t count) const;
  std::uint64_t device_bytes() const;

  // ---- of counters in memory of the host ----

  void signal(Communicator& ranks, const Name& name) const;
  /// Waits for `count` signals more than earlier waits have taken. An error is the communicator's.
  Status wait(Communicator& ranks, const Name& name, std::uint64_t count);

 private:
  /// A line of its own, so that peers do not disturb each other.
  struct alignas(128) Counter {
    std::uint64_t value;
  };
  Status make_on_host(Communicator& ranks);
  std::size_t index_of(int rank, const Name& name) const;
  Semaphore semaphore(Communicator& ranks, const Name& name) const;

  int ranks_ = 0, contexts_ = 0, signals_ = 0;
  std::unique_ptr<DeviceSignals> on_device_;
  Counter* memory_ = nullptr;         // written by the peers: [peer][context][index]
  std::vector<HeldWindow> boards_;    // by rank
  std::vector<std::uint64_t> taken_;  // by waits, in the same order
};

}  // namespace nccl
}  // namespace sluice
