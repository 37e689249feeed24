// Where the slots of a stage lie: a ring of bytes in which each operation goes on where the last
// one stopped.
//
// Why the whole ring, when a few slots would do: a line that its reader still has in its cache must
// first be taken from there before it can be written again, several times slower than writing one
// that has meanwhile sunk to the shared cache. So a place is used again as late as possible. It
// also saves a wait: what an operation writes is seldom where the one before it may still be read.
#pragma once

#include <cstdint>

#include "base/port.hpp"
#include "channel/segment.hpp"

namespace sluice {

/// Arithmetic only, the same on every rank: all open the same slots in the same operations.
class StageRing {
 public:
  /// What a reader must be done with before the owner may write a slot.
  struct Obstacle {
    std::uint64_t epoch = 0;  // this operation and those before it; 0: nothing
    std::uint64_t slots = 0;  // and so many slots of the current one
  };

  /// Begins operation `epoch`, which uses `slots` slots of `slot_bytes` <= kStageBytes.
  SLUICE_FN constexpr void open(std::uint64_t epoch, std::uint64_t slots,
                                std::uint64_t slot_bytes) {
    before_previous_ = previous_;
    previous_ = epoch_;
    previous_begin_ = begin_;
    epoch_ = epoch;
    begin_ = end_;
    slot_bytes_ = slot_bytes;
    slots_in_turn_ = kStageBytes / slot_bytes;
    const std::uint64_t room = (kStageBytes - begin_ % kStageBytes) % kStageBytes;
    slots_before_turn_ = room / slot_bytes;
    turn_ = begin_ + room;
    end_ = slots == 0 ? begin_ : position(slots - 1) + slot_bytes;
  }

  /// The operation that was begun last took `more` further epochs.
  SLUICE_FN constexpr void carry(std::uint64_t more) { epoch_ += more; }
  SLUICE_FN constexpr std::uint64_t epoch() const { return epoch_; }

  /// Bytes from the stage's start to slot `slot` of the current operation.
  SLUICE_FN constexpr std::uint64_t offset(std::uint64_t slot) const {
    return position(slot) % kStageBytes;
  }

  /// What lies where `slot` is to be.
  SLUICE_FN constexpr Obstacle obstacle(std::uint64_t slot) const {
    const std::uint64_t end = position(slot) + slot_bytes_;
    if (end <= kStageBytes) return {};
    const std::uint64_t reused = end - kStageBytes;  // everything staged before this position
    if (reused <= previous_begin_) return {before_previous_, 0};
    return {previous_, slots_that_begin_before(reused)};
  }

 private:
  /// Counts every byte that the ring ever had: modulo kStageBytes, where it lies. A slot never
  /// straddles the end.
  SLUICE_FN constexpr std::uint64_t position(std::uint64_t slot) const {
    if (slot < slots_before_turn_) return begin_ + slot * slot_bytes_;
    const std::uint64_t behind = slot - slots_before_turn_;
    return turn_ + behind / slots_in_turn_ * kStageBytes + behind % slots_in_turn_ * slot_bytes_;
  }

  SLUICE_FN constexpr std::uint64_t slots_that_begin_before(std::uint64_t position) const {
    if (position <= begin_) return 0;
    if (position <= turn_) return at_most(slots_before_turn_, slots_in(position - begin_));
    const std::uint64_t behind = position - turn_;
    return slots_before_turn_ + behind / kStageBytes * slots_in_turn_ +
           at_most(slots_in_turn_, slots_in(behind % kStageBytes));
  }
  SLUICE_FN constexpr std::uint64_t slots_in(std::uint64_t bytes) const {
    return (bytes + slot_bytes_ - 1) / slot_bytes_;
  }
  SLUICE_FN static constexpr std::uint64_t at_most(std::uint64_t limit, std::uint64_t value) {
    return value < limit ? value : limit;
  }

  std::uint64_t epoch_ = 0;            // of the current operation
  std::uint64_t previous_ = 0;         // of the one that staged before it
  std::uint64_t before_previous_ = 0;  // and before that
  std::uint64_t previous_begin_ = 0;   // where `previous_` began
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t turn_ = 0;  // the first position behind begin_ that is the ring's start
  std::uint64_t slots_before_turn_ = 0;
  std::uint64_t slots_in_turn_ = 1;
  std::uint64_t slot_bytes_ = kStageBytes;
};

}  // namespace sluice
