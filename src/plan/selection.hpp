// Which algorithm runs a call: the cheapest by the catalogue's cost functions, or the one that was
// asked for.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "plan/host_context.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// What of the users' buffers every rank can reach, in one operation. Agreed by all ranks.
enum class BufferAccess : std::uint8_t {
  kNone,     // nothing
  kReach,    // copies in and out (Needs::kReach)
  kInputs,   // and the inputs are mapped
  kBuffers,  // and the outputs too
};
inline constexpr int kBufferAccessCount = 4;

/// Where a communicator's ranks are.
enum class Placement : std::uint8_t {
  kOneHost,    // which maps all their segments
  kEvenHosts,  // on several, equally many on each
  kUnevenHosts,
};

class Selection {
 public:
  /// Every rank of a communicator must pass the same arguments, because all must choose alike.
  /// `wanted`: as Options::algorithm; kInvalidArgument for a name that the catalogue does not have.
  static Result<Selection> make(const CostModel& model, int ranks, Placement placement,
                                const std::string& wanted);

  /// The entry for a message of `bytes` (the whole buffer, or the largest block).
  const HostEntry& choose(Collective collective, std::uint64_t bytes, BufferAccess access) const {
    return *tables_[static_cast<unsigned>(collective)][static_cast<unsigned>(access)]
                   [bucket(bytes)];
  }

  /// Messages from this size on can gain from knowing what access there is; below, choose() needs
  /// no agreement.
  std::uint64_t access_matters_from(Collective collective) const {
    return matters_from_[static_cast<unsigned>(collective)];
  }

 private:
  // Four buckets an octave: sizes 4, 5, 6, 7 times a power of two.
  static constexpr unsigned kBuckets = 64 * 4;
  static unsigned bucket(std::uint64_t bytes) {
    if (bytes < 4) return static_cast<unsigned>(bytes);
    const unsigned octave = 63u - static_cast<unsigned>(__builtin_clzll(bytes));
    return (octave - 1) * 4 + static_cast<unsigned>(bytes >> (octave - 2) & 3);
  }
  static std::uint64_t bucket_start(unsigned bucket) {
    if (bucket < 4) return bucket;
    const unsigned octave = bucket / 4 + 1;
    return std::uint64_t{4 + bucket % 4} << (octave - 2);
  }
  static std::uint64_t bucket_last(unsigned b) {
    return b + 1 < kBuckets - 4 ? bucket_start(b + 1) - 1 : ~0ull;
  }

  using Table = std::array<const HostEntry*, kBuckets>;
  std::array<std::array<Table, kBufferAccessCount>, kCollectiveCount> tables_{};
  std::array<std::uint64_t, kCollectiveCount> matters_from_{};
};

}  // namespace sluice
