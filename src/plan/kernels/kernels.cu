// The catalogue, instantiated for the blocks of a kernel. Type and operator are chosen at run time
// by functions that all kernels of this file share, so there is one kernel a schedule.
#include "plan/kernels/kernels.hpp"

#include <concepts>
#include <iterator>
#include <type_traits>
#include <utility>

#include "algorithms/catalogue.hpp"
#include "channel/block_group.hpp"

namespace sluice::kernels {
namespace {

template <class M>
struct BlockContext {
  using Group = BlockGroup;
  using Fabric = sluice::Fabric;
  using Math = M;
};
// Kernels that only move bytes shall not have the registers of those that reduce.
using Reducing = BlockContext<GroupArithmetic>;
using Moving = BlockContext<GroupCopying>;

static_assert(std::is_trivially_copyable_v<Strand> && std::is_trivially_copyable_v<StrandCall> &&
              std::is_trivially_copyable_v<ExchangeLaunch> && sizeof(ProxiedExchange) < 4000 &&
              std::is_trivially_copyable_v<OneSidedLaunch> && sizeof(OneSidedLaunch) < 4000);

__device__ Blocks blocks_of(const BlockLists& lists, std::uint64_t elem_bytes, std::int32_t ranks) {
  return Blocks::listed(lists.counts, lists.displaced ? lists.displacements : nullptr, elem_bytes,
                        static_cast<std::uint64_t>(ranks));
}

template <class Context, typename CatalogueEntry<Context>::Run kSchedule>
__device__ void run_block(Strand& strand, const GroupArithmetic& arithmetic,
                          const StrandCall& call) {
  typename Context::Math math{};
  if constexpr (std::same_as<Context, Reducing>) math = arithmetic;
  const auto schedule = [](const BlockGroup& block, Fabric& fabric, const auto& own_math,
                           const Arguments& part) { kSchedule(block, fabric, own_math, part); };
  run_strand(BlockGroup{}, strand, schedule, math, call, KnownAddresses{strand.regions});
}

template <class Context, typename CatalogueEntry<Context>::Run kSchedule>
__global__ void __launch_bounds__(kThreads)
    run(Strand* strands, const SLUICE_KERNEL_CONSTANT GroupArithmetic math,
        const SLUICE_KERNEL_CONSTANT StrandCall call) {
  if (blockIdx.x >= static_cast<unsigned>(call.strands)) return;  // launched only to be loaded
  run_block<Context, kSchedule>(strands[blockIdx.x], math, call);
}

template <class Context, typename CatalogueEntry<Context>::Run kSchedule>
__global__ void __launch_bounds__(kThreads)
    run_listed(Strand* strands, const SLUICE_KERNEL_CONSTANT GroupArithmetic math,
               const SLUICE_KERNEL_CONSTANT StrandCall call,
               const SLUICE_KERNEL_CONSTANT BlockLists lists) {
  if (blockIdx.x >= static_cast<unsigned>(call.strands)) return;
  Strand& strand = strands[blockIdx.x];
  StrandCall listed = call;
  listed.arguments.blocks = blocks_of(lists, call.arguments.elem_bytes, strand.fabric.size());
  run_block<Context, kSchedule>(strand, math, listed);
}

__global__ void __launch_bounds__(kThreads)
    move_messages(Strand* strands, const SLUICE_KERNEL_CONSTANT ExchangeLaunch launch) {
  run_launch(BlockGroup{}, strands, blockIdx.x, launch);
}

__global__ void __launch_bounds__(kThreads)
    put_and_wait(Strand* strands, const SLUICE_KERNEL_CONSTANT OneSidedLaunch launch) {
  run_one_sided(BlockGroup{}, strands, blockIdx.x, launch);
}

__global__ void __launch_bounds__(kThreads)
    ask_proxy(Strand* strand, const SLUICE_KERNEL_CONSTANT ProxyPlaces places,
              const SLUICE_KERNEL_CONSTANT ProxiedCall call,
              const SLUICE_KERNEL_CONSTANT BlockLists lists) {
  ProxiedCall own = call;
  if (call.is_listed)
    own.arguments.blocks = blocks_of(lists, call.arguments.elem_bytes, call.ranks);
  run_proxied(BlockGroup{}, strand, places, own);
}

__global__ void __launch_bounds__(kThreads)
    ask_proxy_for_messages(Strand* strand, const SLUICE_KERNEL_CONSTANT ProxyPlaces places,
                           const SLUICE_KERNEL_CONSTANT ProxiedExchange call) {
  run_proxied_exchange(BlockGroup{}, strand, places, call);
}

__global__ void __launch_bounds__(kThreads)
    scale_all(std::byte* destination, const std::byte* source, std::uint64_t count,
              const ScaleBy by) {
  const std::uint64_t elem_bytes = size_in_bytes(by.type);
  const Range part =
      Blocks::cut(count, elem_bytes, gridDim.x)[static_cast<std::int32_t>(blockIdx.x)];
  scale_elements(BlockGroup{}, destination + part.offset, source + part.offset,
                 part.bytes / elem_bytes, by.type, by.factor, by.integer_factor, by.factor_at);
}

constexpr bool reduces(Collective collective) {
  return collective == Collective::kAllReduce || collective == Collective::kReduce ||
         collective == Collective::kReduceScatter || collective == Collective::kReduceScatterV;
}

template <std::size_t kIndex>
const void* kernel_of() {
  constexpr Collective kCollective = kCatalogue<Moving>[kIndex].collective;
  using Context = std::conditional_t<reduces(kCollective), Reducing, Moving>;
  constexpr auto kSchedule = kCatalogue<Context>[kIndex].run;
  constexpr Needs kNeeds = kCatalogue<Context>[kIndex].needs;
  if constexpr (kSchedule == nullptr || kNeeds == Needs::kHosts || kNeeds == Needs::kEvenHosts)
    return nullptr;  // driven by the host, or over ports
  else if constexpr (is_listed(kCollective))
    return reinterpret_cast<const void*>(&run_listed<Context, kSchedule>);
  else
    return reinterpret_cast<const void*>(&run<Context, kSchedule>);
}

template <std::size_t... kIndex>
const void* kernel_at(std::size_t index, std::index_sequence<kIndex...>) {
  const void* const all[] = {kernel_of<kIndex>()...};
  return index < sizeof...(kIndex) ? all[index] : nullptr;
}

}  // namespace

bool built() { return true; }

const void* schedule(std::size_t index) {
  return kernel_at(index, std::make_index_sequence<std::size(kCatalogue<Moving>)>());
}

const void* exchange() { return reinterpret_cast<const void*>(&move_messages); }

const void* one_sided() { return reinterpret_cast<const void*>(&put_and_wait); }

const void* proxied() { return reinterpret_cast<const void*>(&ask_proxy); }

const void* proxied_exchange() { return reinterpret_cast<const void*>(&ask_proxy_for_messages); }

const void* scale() { return reinterpret_cast<const void*>(&scale_all); }

}  // namespace sluice::kernels
