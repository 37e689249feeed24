// What the library can run: collectives, their algorithms, and how to ask for one by name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice {

enum class Collective : std::uint8_t {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kBroadcast,
  kReduce,
  kGather,
  kScatter,
  kAllToAll,
  kAllGatherV,
  kReduceScatterV,
  kAllToAllV,
  kSendReceive,
  kBarrier,
};
inline constexpr int kCollectiveCount = 13;

/// "all_reduce", "all_to_all_v", ...
std::string_view name(Collective collective);

/// One row of the catalogue.
struct AlgorithmDescription {
  Collective collective;
  std::string_view name;  // "ring": what SLUICE_ALGORITHM, options and sluice-perf --algorithm take
  std::string_view summary;  // one line
  std::string_view cost;     // time in alpha (latency), beta (bytes), p ranks, n bytes
  std::uint64_t max_bytes;   // largest message it accepts: a block, or the whole where a collective
                             // has no blocks; ~0: any
  bool needs_mapped;         // every peer's staging memory must be mapped (ranks of one host)
  bool needs_hosts;          // the ranks must be on several hosts
  bool needs_direct;         // every peer must be able to reach the user's buffers
};

/// Every algorithm, grouped by collective, fixed for the life of the process.
std::span<const AlgorithmDescription> algorithms();

}  // namespace sluice
