// The memory that a transport has published, by number.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "channel/memory_channel.hpp"

namespace sluice::transport::tcp {

/// Thread-safe: published on the caller's thread, looked up on the progress thread.
class Regions {
 public:
  /// The region's number, from 1.
  std::uint64_t publish(Window window) {
    const std::lock_guard lock(mutex_);
    windows_.push_back(window);
    return windows_.size();
  }
  std::optional<Window> find(std::uint64_t region) const {
    const std::lock_guard lock(mutex_);
    if (region == 0 || region > windows_.size()) return std::nullopt;
    return windows_[region - 1];
  }
  /// That payload has come for them; how often so far.
  void note_arrival() { arrivals_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t arrivals() const { return arrivals_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> arrivals_ = 0;
  mutable std::mutex mutex_;
  std::vector<Window> windows_;
};

}  // namespace sluice::transport::tcp
