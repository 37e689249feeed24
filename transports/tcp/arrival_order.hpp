// Which numbered frames of an opener have come, when several connections bring them.
#pragma once

#include <bitset>
#include <cstdint>

namespace sluice::transport::tcp {

/// How far an opener may number frames ahead of the oldest that has not arrived: the limit of what
/// an owner keeps about those that came early.
inline constexpr std::uint64_t kSequenceWindow = 4096;

/// Numbers from 1. Its memory does not grow.
class ArrivalOrder {
 public:
  /// All up to this one have arrived.
  std::uint64_t through() const { return through_; }
  bool has(std::uint64_t sequence) const {
    return sequence <= through_ || (fits(sequence) && early_[slot(sequence)]);
  }
  /// Whether an opener that keeps the limit may send it now.
  bool fits(std::uint64_t sequence) const {
    return sequence <= through_ || sequence - through_ <= kSequenceWindow;
  }
  /// Only one that fits.
  void arrive(std::uint64_t sequence) {
    if (sequence <= through_) return;
    early_.set(slot(sequence));
    for (; early_[slot(through_ + 1)]; ++through_) early_.reset(slot(through_ + 1));
  }

 private:
  static std::size_t slot(std::uint64_t sequence) { return sequence % kSequenceWindow; }

  std::bitset<kSequenceWindow> early_;
  std::uint64_t through_ = 0;
};

}  // namespace sluice::transport::tcp
