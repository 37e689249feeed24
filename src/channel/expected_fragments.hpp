// What a rank waits for on a link across a port, and where it shall go.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/segment.hpp"

namespace sluice {

/// The data of a fragment comes to a room, and the receiver copies it from there. If the receiver
/// has said where it shall go before it comes, whoever takes it in writes it there instead. The
/// sender knows nothing of this. expect(), settle() and placed() are for the rank's thread, place()
/// and come() for who takes in what the peer sends: one thread at a time, in the order in which it
/// was sent. Host only.
class ExpectedFragments {
 public:
  /// So many from the next one to be received on; nothing is remembered of later ones.
  static constexpr std::uint64_t kMost = 128;

  /// `segment`: the receiver's, where the link's slots and rooms for `source` are.
  ExpectedFragments(std::byte* segment, const SegmentLayout& layout, std::int32_t source)
      : segment_(segment), layout_(layout), source_(static_cast<std::uint64_t>(source)) {}
  ExpectedFragments(const ExpectedFragments&) = delete;
  ExpectedFragments& operator=(const ExpectedFragments&) = delete;

  /// The next message that was not expected yet, of `kind`, goes to destination[0, bytes).
  /// `received`: fragments received of the link so far.
  void expect(std::uint64_t received, std::byte* destination, std::uint64_t bytes,
              std::uint64_t kind) {
    std::uint64_t number = std::max(port::load_relaxed(&end_), received);
    for (std::uint64_t offset = 0; offset < bytes; offset += layout_.links.slot_bytes, ++number)
      if (number - received < kMost)
        entries_[number % kMost].expect(
            number, {destination + offset, std::min(bytes - offset, layout_.links.slot_bytes),
                     bytes, kind});
    port::store_relaxed(&received_, received);
    port::store_release(&end_, number);  // pairs with place()
  }

  /// The tag of fragment `number` says that it has come. From here on nothing is written to where
  /// it was expected, whatever anybody sends. False: something is just being written there, so
  /// somebody else than who sends it has raised the tag.
  bool settle(std::uint64_t number) {
    Entry& entry = entries_[number % kMost];
    if (entry.number != number) return true;
    State state = kExpected;
    if (entry.state.compare_exchange_strong(state, kElsewhere)) return true;
    return state != kComing;
  }

  /// Once that has been said: where the data of fragment `number` is; null: in its room.
  const std::byte* placed(std::uint64_t number) const {
    const Entry& entry = entries_[number % kMost];
    const bool here =
        entry.number == number && entry.state.load(std::memory_order_relaxed) == kThere;
    return here ? entry.what.destination : nullptr;
  }

  /// `bytes` are about to be written to `place` in the segment: where they shall go.
  std::byte* place(std::byte* place, std::uint64_t bytes) {
    if (!is_room(place)) return place;
    const LinkSlot* const slot = next_slot(port::load_acquire(&end_));
    if (slot == nullptr) return place;
    Entry& entry = entries_[come_ % kMost];
    // A call that does not fit is to be reported, and writes nothing to anybody's buffer.
    const Expected& what = entry.what;
    if (entry.number != come_ || what.bytes != bytes || slot->bytes != what.message_bytes ||
        slot->kind != what.kind)
      return place;
    State state = kExpected;
    if (!entry.state.compare_exchange_strong(state, kComing)) return place;
    coming_ = &entry;
    return what.destination;
  }

  /// They have been written where place() last said that they shall go.
  void come() { coming_->state.store(kThere, std::memory_order_release); }

 private:
  enum State : std::uint8_t {
    kExpected,
    kComing,     // is being written to its destination
    kThere,      // has been
    kElsewhere,  // has come to its room, or must go there
  };
  struct Expected {
    std::byte* destination = nullptr;
    std::uint64_t bytes = 0;  // of the fragment
    std::uint64_t message_bytes = 0;
    std::uint64_t kind = 0;
  };
  struct Entry {
    std::uint64_t number = ~0ull;
    Expected what;
    std::atomic<State> state = kElsewhere;

    void expect(std::uint64_t fragment, const Expected& expected) {
      number = fragment;
      what = expected;
      state.store(kExpected, std::memory_order_relaxed);  // told by end_
    }
  };

  bool is_room(const std::byte* place) const {
    const std::uint64_t first = layout_.link_room(source_, 0),
                        end = layout_.link_room(source_ + 1, 0);
    const auto offset = static_cast<std::uint64_t>(place - segment_);
    return offset >= first && offset < end && (offset - first) % layout_.links.room_pitch() == 0;
  }

  /// That of the fragment whose data comes: the words before its tag have come, the tag has not.
  /// Null if it is not one of those before `end` that are expected.
  const LinkSlot* next_slot(std::uint64_t end) {
    const auto slot = [this](std::uint64_t number) {
      return reinterpret_cast<const LinkSlot*>(
          segment_ + layout_.link_slot(source_, number & (layout_.links.slots - 1)));
    };
    come_ = std::max(come_, port::load_relaxed(&received_));
    while (come_ < end && port::load_acquire(&slot(come_)->tag) > come_) ++come_;
    return come_ < end ? slot(come_) : nullptr;
  }

  std::byte* const segment_;
  const SegmentLayout layout_;
  const std::uint64_t source_;
  std::uint64_t received_ = 0;  // at the last expect()
  std::uint64_t end_ = 0;       // the first that is not expected
  std::uint64_t come_ = 0;      // fragments that have come as a whole, as far as place() has looked
  Entry* coming_ = nullptr;
  Entry entries_[kMost];  // by number
};

}  // namespace sluice
