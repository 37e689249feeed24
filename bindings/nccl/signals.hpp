// The signals of ncclSignal, ncclPutSignal and ncclWaitSignal: counters that peers raise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "communicator/peer_memory.hpp"
#include "sluice/communicator.hpp"
#include "sluice/memory.hpp"
#include "sluice/status.hpp"

namespace sluice::nccl {

/// A counter for each peer, context and index, in memory that the peer maps; it only grows.
class SignalBoard {
 public:
  SignalBoard() = default;
  SignalBoard(const SignalBoard&) = delete;
  SignalBoard& operator=(const SignalBoard&) = delete;
  ~SignalBoard();

  bool exists() const { return memory_ != nullptr; }

  /// Collective, once. All ranks can map each other's memory.
  Status make(Communicator& ranks, int contexts, int signals);

  struct Name {
    int peer;
    int context;
    int index;
  };
  /// Ok, or kInvalidArgument: outside of what the board has.
  Status check(const Name& name) const;

  void signal(Communicator& ranks, const Name& name) const;
  /// Waits for `count` signals more than earlier waits have taken. An error is the communicator's.
  Status wait(Communicator& ranks, const Name& name, std::uint64_t count);

 private:
  /// A line of its own, so that peers do not disturb each other.
  struct alignas(128) Counter {
    std::uint64_t value;
  };
  std::size_t index_of(int rank, const Name& name) const;
  Semaphore semaphore(Communicator& ranks, const Name& name) const;

  int ranks_ = 0, contexts_ = 0, signals_ = 0;
  Counter* memory_ = nullptr;         // written by the peers: [peer][context][index]
  std::vector<HeldWindow> boards_;    // by rank
  std::vector<std::uint64_t> taken_;  // by waits, in the same order
};

}  // namespace sluice::nccl
