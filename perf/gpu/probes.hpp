// Kernels that measure what a device can do, and one that runs all ranks of a collective in a
// single launch, which profilers and checkers can take apart: they run one kernel at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plan/strand.hpp"

namespace sluice::gpu {

inline constexpr unsigned kThreads = 512;
inline constexpr unsigned kMostRanks = 8;

/// void(): nothing.
const void* empty();

/// void(PingPong*, std::uint64_t rounds), two blocks: a flag goes forth and back. With more than
/// one thread a block, each side has the barriers that a schedule has.
struct PingPong {
  alignas(kPollSpacing) std::uint64_t forth;
  alignas(kPollSpacing) std::uint64_t back;
  WaitState waits[2];
};
const void* ping_pong();

/// void(std::byte* to, const std::byte* from, std::uint64_t bytes): the library's copy, cut among
/// the blocks.
const void* copy_all();

/// void(RanksCall), for float and sum: the schedule of all ranks, blocks 0 to strands - 1 for rank
/// 0, the next for rank 1, ...
struct RanksCall {
  Strand* strands[kMostRanks];  // by rank
  StrandCall calls[kMostRanks];
};
static_assert(sizeof(RanksCall) <= 4096);  // what a kernel's arguments may take everywhere
enum class Schedule { kDirect, kTwoShot, kPacket };
inline constexpr const char* kScheduleNames[] = {"direct", "two_shot", "packet"};
const void* all_ranks(Schedule schedule);

}  // namespace sluice::gpu
