// The one place that knows how a buffer is cut: blocks of ranks, slices of blocks, ragged ends.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"

namespace sluice {

/// A stretch of a buffer, in bytes.
struct Range {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;

  /// Slice `step` of this range when it is cut into pieces of `slice_bytes`; empty behind the end.
  SLUICE_FN constexpr Range slice(std::uint64_t step, std::uint64_t slice_bytes) const {
    const std::uint64_t begin = step * slice_bytes;
    if (begin >= bytes) return {offset + bytes, 0};
    return {offset + begin, bytes - begin < slice_bytes ? bytes - begin : slice_bytes};
  }
};

/// One block for each rank. Either all of one length, or a count cut into even parts, or lengths
/// that the caller gave. Blocks end on element boundaries.
class Blocks {
 public:
  /// `parts` blocks of `count` elements, one behind the other.
  SLUICE_FN static constexpr Blocks equal(std::uint64_t count, std::uint64_t elem_bytes,
                                          std::uint64_t parts) {
    return Blocks(count * elem_bytes, count * parts * elem_bytes);
  }

  /// `count` elements cut into at most `parts` blocks: multiples of 64 bytes, so that no two ranks
  /// write one line, the last ones shorter or empty.
  SLUICE_FN static constexpr Blocks cut(std::uint64_t count, std::uint64_t elem_bytes,
                                        std::uint64_t parts) {
    constexpr std::uint64_t kLine = 64;
    const std::uint64_t total = count * elem_bytes;
    const std::uint64_t even = (total + parts - 1) / parts;
    return Blocks((even + kLine - 1) / kLine * kLine, total);
  }

  /// Block r is counts[r] elements at displacements[r], or, without displacements, behind block r
  /// - 1.
  SLUICE_FN static constexpr Blocks listed(const std::size_t* counts,
                                           const std::size_t* displacements,
                                           std::uint64_t elem_bytes, std::uint64_t parts) {
    Blocks blocks(0, 0);
    blocks.counts_ = counts;
    blocks.displacements_ = displacements;
    blocks.elem_bytes_ = elem_bytes;
    for (std::uint64_t r = 0; r < parts; ++r) {
      const std::uint64_t bytes = counts[r] * elem_bytes;
      if (bytes > blocks.block_bytes_) blocks.block_bytes_ = bytes;
      blocks.total_bytes_ += bytes;
    }
    return blocks;
  }

  /// Of these blocks those of some ranks: block r of the result is that of members[r].
  SLUICE_FN constexpr Blocks of(const std::int32_t* members) const {
    Blocks blocks = *this;
    blocks.members_ = members;
    return blocks;
  }

  /// Slice `step` of each of these blocks, when they are cut into pieces of `slice_bytes`.
  SLUICE_FN constexpr Blocks sliced(std::uint64_t step, std::uint64_t slice_bytes) const {
    Blocks blocks = *this;
    blocks.step_ = step;
    blocks.slice_bytes_ = slice_bytes;
    return blocks;
  }

  /// Rank r's block.
  SLUICE_FN constexpr Range operator[](std::int32_t r) const {
    const Range whole = unsliced(static_cast<std::uint64_t>(members_ == nullptr ? r : members_[r]));
    return slice_bytes_ == 0 ? whole : whole.slice(step_, slice_bytes_);
  }

  /// Bytes of the longest block; how many slices of `slice_bytes` it takes to get through it, at
  /// least 1.
  SLUICE_FN constexpr std::uint64_t largest() const {
    return slice_bytes_ == 0 ? block_bytes_
                             : Range{0, block_bytes_}.slice(step_, slice_bytes_).bytes;
  }
  SLUICE_FN constexpr std::uint64_t slices(std::uint64_t slice_bytes) const {
    return largest() == 0 ? 1 : (largest() + slice_bytes - 1) / slice_bytes;
  }
  SLUICE_FN constexpr std::uint64_t total() const { return total_bytes_; }

 private:
  SLUICE_FN constexpr Blocks(std::uint64_t block_bytes, std::uint64_t total_bytes)
      : block_bytes_(block_bytes), total_bytes_(total_bytes) {}

  SLUICE_FN constexpr Range unsliced(std::uint64_t index) const {
    if (counts_ != nullptr) return {listed_offset(index), counts_[index] * elem_bytes_};
    const std::uint64_t begin = index * block_bytes_;
    if (begin >= total_bytes_) return {total_bytes_, 0};
    return {begin, total_bytes_ - begin < block_bytes_ ? total_bytes_ - begin : block_bytes_};
  }

  SLUICE_FN constexpr std::uint64_t listed_offset(std::uint64_t index) const {
    if (displacements_ != nullptr) return displacements_[index] * elem_bytes_;
    std::uint64_t offset = 0;
    for (std::uint64_t r = 0; r < index; ++r) offset += counts_[r];
    return offset * elem_bytes_;
  }

  std::uint64_t block_bytes_;
  std::uint64_t total_bytes_;
  const std::size_t* counts_ = nullptr;
  const std::size_t* displacements_ = nullptr;
  std::uint64_t elem_bytes_ = 0;
  const std::int32_t* members_ = nullptr;
  std::uint64_t step_ = 0;
  std::uint64_t slice_bytes_ = 0;  // 0: whole
};

/// Runs stages of a software pipeline: in round t, stage i works on step t - i * kLag. So no stage
/// waits for what a peer has only just begun.
inline constexpr std::uint64_t kPipelineLag = 1;
template <class... Stages>
SLUICE_FN void pipeline(std::uint64_t steps, Stages... stages) {
  const std::uint64_t rounds = steps + (sizeof...(Stages) - 1) * kPipelineLag;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    std::uint64_t delay = 0;
    const auto run = [&](auto& stage) {
      if (round >= delay && round - delay < steps) stage(round - delay);
      delay += kPipelineLag;
    };
    (run(stages), ...);
  }
}

}  // namespace sluice
