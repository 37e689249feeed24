// What is under way on a link across a port, as its sender knows it: which rooms for data are free,
// and how much more may be sent.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sluice {

/// Fragments are limited by the slots and rooms that there are, and by bytes, so that large ones
/// stay in a cache while a sender of small ones may be far ahead.
///
/// The free room with the lowest number is taken, so that a link that has little under way keeps to
/// a few rooms, whose lines stay in caches and whose pages are there; a ring would come by all of
/// them in turn. Private to the sender, who tells the receiver the room with each fragment. Host
/// only.
class LinkWindow {
 public:
  static constexpr std::uint64_t kMost = 64;

  /// How many fragments the receiver must be done with before one of `bytes` follows `number` ones,
  /// if no more than `slots` (kMost at most) and `window_bytes` (one fragment at least) may be
  /// under way. What is not more than earlier calls of take() were told needs no look at the
  /// credit.
  std::uint64_t credit_for(std::uint64_t number, std::uint64_t bytes, std::uint64_t slots,
                           std::uint64_t window_bytes) const {
    std::uint64_t first = freed_, under_way = under_way_bytes_;
    while (number - first >= slots || (first < number && under_way + bytes > window_bytes))
      under_way -= sent_[first++ % kMost].bytes;
    return first;
  }

  /// A room for fragment `number` (from 0, each once, in order) of `bytes`, when the receiver says
  /// that it is done with the first `consumed` ones. Less than kMost others may be under way.
  std::uint64_t take(std::uint64_t number, std::uint64_t bytes, std::uint64_t consumed) {
    // Whatever a receiver says, who sends now has waited for so many.
    consumed = std::max(consumed, number - std::min(number, kMost - 1));
    for (; freed_ < std::min(consumed, number); ++freed_) {
      const Sent& sent = sent_[freed_ % kMost];
      taken_ &= ~(std::uint64_t{1} << sent.room);
      under_way_bytes_ -= sent.bytes;
    }
    const auto room = static_cast<std::uint32_t>(std::countr_one(taken_));
    taken_ |= std::uint64_t{1} << room;
    sent_[number % kMost] = {room, static_cast<std::uint32_t>(bytes)};
    under_way_bytes_ += bytes;
    return room;
  }

 private:
  struct Sent {
    std::uint32_t room;
    std::uint32_t bytes;  // a fragment is no longer than a slot
  };

  std::uint64_t taken_ = 0;            // a bit for each room
  std::uint64_t freed_ = 0;            // fragments whose rooms are free again
  std::uint64_t under_way_bytes_ = 0;  // of the others
  Sent sent_[kMost] = {};
};

}  // namespace sluice
