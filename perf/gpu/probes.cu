#include "gpu/probes.hpp"

#include "algorithms/all_reduce/direct.hpp"
#include "algorithms/all_reduce/packet.hpp"
#include "algorithms/all_reduce/two_shot.hpp"
#include "algorithms/blocks.hpp"
#include "channel/block_group.hpp"
#include "channel/copy.hpp"
#include "channel/group_reduce.hpp"

namespace sluice::gpu {
namespace {

/// GroupArithmetic for one type and operator, which compiles in a twelfth of the time.
struct FloatSum {
  template <ThreadGroup Group>
  __host__ __device__ void reduce(const Group& group, void* const* destinations,
                                  unsigned destination_count, const void* const* sources,
                                  unsigned source_count, std::uint64_t bytes, bool /*last*/,
                                  unsigned /*streaming_mask*/) const {
    if (bytes == 0) return;
    group_reduce::reduce<compute::Float32>(group,
                                           {.destinations = destinations,
                                            .destination_count = destination_count,
                                            .sources = sources,
                                            .source_count = source_count,
                                            .count = bytes / sizeof(float),
                                            .divisor = 1,
                                            .streaming_mask = 0},
                                           ReduceOp::kSum);
  }
};

__global__ void do_nothing() {}

__global__ void play(PingPong* game, std::uint64_t rounds) {
  const BlockGroup block;
  const bool serves = blockIdx.x == 0;
  std::uint64_t* const mine = serves ? &game->forth : &game->back;
  const std::uint64_t* const theirs = serves ? &game->back : &game->forth;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    if (serves && block.rank() == 0) port::store_release(mine, round);
    if (block.rank() == 0)
      wait_at_least(game->waits[serves ? 0 : 1], theirs, round, serves ? 1 : 0);
    block.sync();
    if (!serves && block.rank() == 0) port::store_release(mine, round);
  }
}

__global__ void __launch_bounds__(kThreads)
    copy_part(std::byte* to, const std::byte* from, std::uint64_t bytes) {
  const Range part = Blocks::cut(bytes, 1, gridDim.x)[static_cast<std::int32_t>(blockIdx.x)];
  copy(BlockGroup{}, to + part.offset, from + part.offset, part.bytes);
}

template <auto kSchedule>
__global__ void __launch_bounds__(kThreads) run_ranks(const __grid_constant__ RanksCall ranks) {
  const auto strands = static_cast<unsigned>(ranks.calls[0].strands);
  const unsigned rank = blockIdx.x / strands;
  const auto schedule = [](const BlockGroup& block, Fabric& fabric, const FloatSum& math,
                           const Arguments& part) { kSchedule(block, fabric, math, part); };
  run_strand(BlockGroup{}, ranks.strands[rank][blockIdx.x % strands], schedule, FloatSum{},
             ranks.calls[rank], SameAddresses{});
}

template <auto kSchedule>
const void* of() {
  return reinterpret_cast<const void*>(&run_ranks<kSchedule>);
}

}  // namespace

const void* empty() { return reinterpret_cast<const void*>(&do_nothing); }
const void* ping_pong() { return reinterpret_cast<const void*>(&play); }
const void* copy_all() { return reinterpret_cast<const void*>(&copy_part); }

const void* all_ranks(Schedule schedule) {
  switch (schedule) {
    case Schedule::kDirect: return of<&all_reduce_direct<BlockGroup, Fabric, FloatSum>>();
    case Schedule::kTwoShot: return of<&all_reduce_two_shot<BlockGroup, Fabric, FloatSum>>();
    case Schedule::kPacket: return of<&all_reduce_packet<BlockGroup, Fabric, FloatSum>>();
  }
  return nullptr;
}

}  // namespace sluice::gpu
