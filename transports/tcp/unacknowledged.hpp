// What an opener with several rails keeps until the owner has acknowledged it: a rail may die with
// what it carries, and then it is sent again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <span>

#include "transports/tcp/arrival_order.hpp"
#include "transports/tcp/frame.hpp"

namespace sluice::transport::tcp {

/// Copies of frames, by number; those that no rail carries queue. Not thread-safe.
class Unacknowledged {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{8} << 20;
  /// Who puts waits rather than let the queue grow longer: another thread's signal is behind it.
  static constexpr std::uint64_t kMaxQueuedBytes = std::uint64_t{1} << 20;

  struct Kept {
    FrameHeader header;
    std::unique_ptr<std::byte[]> payload;

    std::uint64_t bytes() const { return payload_bytes(header); }
    std::span<const std::byte> span() const { return {payload.get(), bytes()}; }
  };

  bool empty() const { return frames_.empty(); }
  /// The number of the oldest. Only if there is one.
  std::uint64_t oldest() const { return frames_.begin()->first; }
  /// Whether a frame with this number and payload may be added.
  bool has_room(std::uint64_t sequence, std::uint64_t bytes) const {
    if (frames_.empty()) return true;
    return sequence - oldest() < kSequenceWindow && bytes_ + bytes <= kMaxBytes &&
           queued_bytes_ < kMaxQueuedBytes;
  }
  /// Copies the payload, and queues the frame.
  void add(const FrameHeader& header, std::span<const std::byte> payload) {
    Kept kept{header, std::make_unique_for_overwrite<std::byte[]>(payload.size())};
    if (!payload.empty()) std::memcpy(kept.payload.get(), payload.data(), payload.size());
    bytes_ += payload.size();
    queued_bytes_ += payload.size();
    queue_.push_back(header.sequence);
    frames_.emplace_hint(frames_.end(), header.sequence, std::move(kept));
  }

  /// The first of the queue, or null.
  const Kept* next() const { return queue_.empty() ? nullptr : &frames_.at(queue_.front()); }
  std::uint64_t queued_bytes() const { return queued_bytes_; }
  /// Takes it from the queue: a rail carries it. It stays where it is until released.
  const Kept& take() {
    const Kept& kept = frames_.at(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= kept.bytes();
    return kept;
  }
  /// Back to the queue, by its number: the rail that carried it is lost.
  void give_back(std::uint64_t sequence) {
    queue_.insert(std::lower_bound(queue_.begin(), queue_.end(), sequence), sequence);
    queued_bytes_ += frames_.at(sequence).bytes();
  }
  /// The owner has it. Only one that was taken.
  void release(std::uint64_t sequence) {
    const auto found = frames_.find(sequence);
    bytes_ -= found->second.bytes();
    frames_.erase(found);
  }

 private:
  std::map<std::uint64_t, Kept> frames_;
  std::deque<std::uint64_t> queue_;  // ascending
  std::uint64_t bytes_ = 0;
  std::uint64_t queued_bytes_ = 0;
};

}  // namespace sluice::transport::tcp
