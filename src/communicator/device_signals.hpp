// The counters by which ranks' kernels signal each other outside of collectives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "communicator/impl.hpp"
#include "communicator/peer_memory.hpp"
#include "device/store.hpp"
#include "plan/strand_one_sided.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// A counter for each peer, context and index in this rank's device memory, which the peer's
/// kernels raise; it only grows. Beside it is how much of it waits have taken: kernels keep that
/// there themselves, so that a graph can be launched again and again.
class DeviceSignals {
 public:
  /// Collective, with the same numbers on all ranks, whose devices reach each other.
  static Result<std::unique_ptr<DeviceSignals>> make(Communicator::Impl& impl,
                                                     std::uint32_t contexts, std::uint32_t indices);

  /// The peer's counter of this rank's signals; peer and name are in range.
  std::uint64_t* of_peer(int peer, const SignalName& name) const {
    return &counters(boards_[static_cast<std::size_t>(peer)].base)[place(rank_, name)].value;
  }
  ListedWait wait(int peer, const SignalName& name, std::uint64_t count) const;

  /// Memory that it has on the device.
  std::uint64_t bytes() const { return bytes_; }

 private:
  /// A line of its own, so that peers do not disturb each other.
  struct alignas(kPollSpacing) Counter {
    std::uint64_t value;
  };
  DeviceSignals() = default;
  static Counter* counters(std::byte* board) { return reinterpret_cast<Counter*>(board); }
  std::uint64_t place(int rank, const SignalName& name) const {
    return (static_cast<std::uint64_t>(rank) * contexts_ + name.context) * indices_ + name.index;
  }

  int rank_ = 0;
  std::uint64_t contexts_ = 0, indices_ = 0;
  std::uint64_t count_ = 0;  // of counters
  std::uint64_t bytes_ = 0;
  device::Store::Memory memory_;    // the counters, and behind them what waits have taken
  std::vector<HeldWindow> boards_;  // by rank
};

}  // namespace sluice
