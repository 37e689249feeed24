// Which rooms for data of a link across a port are free, as its sender knows it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sluice {

/// The free room with the lowest number is taken, so that a link that has little under way keeps to
/// a few rooms, whose lines stay in caches and whose pages are there; a ring would come by all of
/// them in turn. Private to the sender, who tells the receiver the room with each fragment. Host
/// only.
class LinkRooms {
 public:
  static constexpr std::uint64_t kMost = 64;

  /// A room for fragment `number` (from 0, each once, in order), when the receiver says that it is
  /// done with the first `consumed` ones. Less than kMost others may be under way.
  std::uint64_t take(std::uint64_t number, std::uint64_t consumed) {
    for (; freed_ < std::min(consumed, number); ++freed_)
      taken_ &= ~(std::uint64_t{1} << room_of_[freed_ % kMost]);
    const auto room = static_cast<std::uint64_t>(std::countr_one(taken_));
    taken_ |= std::uint64_t{1} << room;
    room_of_[number % kMost] = static_cast<std::uint8_t>(room);
    return room;
  }

 private:
  std::uint64_t taken_ = 0;  // a bit for each room
  std::uint64_t freed_ = 0;  // fragments whose rooms are free again
  std::uint8_t room_of_[kMost] = {};
};

}  // namespace sluice
