// The memory that communicators work with on devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "sluice/status.hpp"

namespace sluice::device {

/// Hands out memory and keeps what comes back for the next one that asks for as much. To give it to
/// the driver could wait for all kernels on the device; among them may be one that waits for a
/// kernel which the calling thread has not launched yet. Thread-safe.
class Store {
 public:
  using Memory = std::shared_ptr<std::byte>;

  /// Never destroyed: at exit the driver has gone before it.
  static Store& instance();

  /// Zeroed memory of the calling thread's device. `shown`: other processes open it. It is
  /// shareable, and not kept: whether they have closed it, nobody here knows.
  Result<Memory> device_memory(std::uint64_t bytes, bool shown);
  /// Zeroed memory of the host that kernels reach.
  Result<Memory> pinned_memory(std::uint64_t bytes);

  /// Another share in memory that this process has handed out and that is in use; null if there is
  /// none at `base`.
  Memory find(const std::byte* base) const;

 private:
  static constexpr int kPinned = -1;
  using Kind = std::pair<int, std::uint64_t>;  // device or kPinned, bytes

  Memory own(std::byte* base, Kind kind, bool kept);
  std::byte* take(Kind kind);
  void give_back(std::byte* base, Kind kind, bool kept);

  mutable std::mutex mutex_;
  std::map<Kind, std::vector<std::byte*>> free_;
  std::map<const std::byte*, std::weak_ptr<std::byte>> used_;
};

}  // namespace sluice::device
