// The schedules as kernels: what the host knows of them. No header of a GPU toolkit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "channel/arithmetic.hpp"
#include "plan/strand.hpp"
#include "plan/strand_exchange.hpp"
#include "plan/strand_one_sided.hpp"
#include "plan/strand_proxied.hpp"
#include "plan/strand_proxied_exchange.hpp"
#include "sluice/types.hpp"

namespace sluice::kernels {

/// Threads of a block.
inline constexpr unsigned kThreads = 512;

/// The lengths of a v-form's blocks travel with the launch, for so many ranks at the most.
inline constexpr std::size_t kMostListed = 128;
struct BlockLists {
  std::size_t counts[kMostListed];
  std::size_t displacements[kMostListed];
  bool displaced;  // else block r lies behind block r - 1
};

/// Whether this build has kernels.
bool built();

/// What cudaLaunchKernel takes for line `index` of the catalogue, with one block for each strand
/// that the call says: void(Strand*, GroupArithmetic, StrandCall) and, for the v-forms, a
/// BlockLists. Blocks beyond those leave at once. nullptr where kernels cannot run the schedule,
/// and in a build without kernels.
const void* schedule(std::size_t index);
constexpr bool is_listed(Collective collective) {
  return collective == Collective::kAllGatherV || collective == Collective::kReduceScatterV;
}

/// void(Strand*, ExchangeLaunch), with one block for each strand that it says: messages. nullptr in
/// a build without kernels.
const void* exchange();

/// void(Strand*, OneSidedLaunch), with as many blocks as it says: puts, signals and waits for them.
/// nullptr in a build without kernels.
const void* one_sided();

/// void(Strand*, ProxyPlaces, ProxiedCall, BlockLists), with one block: a call among ranks on
/// several hosts. nullptr in a build without kernels.
const void* proxied();
static_assert(ProxyRequest::kMostListed == kMostListed);

/// void(Strand*, ProxyPlaces, ProxiedExchange), with one block: messages among ranks on several
/// hosts. nullptr in a build without kernels.
const void* proxied_exchange();

/// void(void* destination, const void* source, std::uint64_t count, ScaleBy): a pre-multiplied
/// sum's scaling. nullptr in a build without kernels.
struct ScaleBy {
  DataType type;
  double factor;
  std::uint64_t integer_factor;
  const void* factor_at;  // device memory that has it instead; null: neither
};
const void* scale();

}  // namespace sluice::kernels
