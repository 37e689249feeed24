// Every schedule of the catalogue, and every verb of a channel, as CUDA device code. Compiled, not
// run: what is tested is that src/channel and algorithms are kernels' code as they stand.
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "algorithms/catalogue.hpp"
#include "channel/arithmetic.hpp"
#include "channel/block_group.hpp"
#include "channel/fabric.hpp"
#include "channel/memory_channel.hpp"
#include "plan/strand.hpp"

namespace sluice {
namespace {

struct CudaContext {
  using Group = BlockGroup;
  using Fabric = sluice::Fabric;
  using Math = GroupArithmetic;
};
using CudaEntry = CatalogueEntry<CudaContext>;

static_assert(std::is_trivially_copyable_v<MemoryChannel> &&
              std::is_trivially_copyable_v<Semaphore>);
static_assert(std::is_trivially_copyable_v<Fabric> && std::is_trivially_copyable_v<Arguments>);

/// One rank's part of one operation. `strands` are in memory of the device.
template <CudaEntry::Run kSchedule>
__global__ void run_schedule(Strand* strands, GroupArithmetic math, StrandCall call) {
  run_strand(
      BlockGroup{}, strands[blockIdx.x],
      [](const BlockGroup& block, Fabric& fabric, const GroupArithmetic& arithmetic,
         const Arguments& part) { kSchedule(block, fabric, arithmetic, part); },
      math, call, SameAddresses{});
}

using Kernel = void (*)(Strand*, GroupArithmetic, StrandCall);

template <std::size_t kIndex>
constexpr Kernel kernel_of() {
  constexpr CudaEntry::Run kSchedule = kCatalogue<CudaContext>[kIndex].run;
  if constexpr (kSchedule == nullptr)
    return nullptr;  // exchange: driven by the host
  else
    return &run_schedule<kSchedule>;
}

template <class Indices>
struct Kernels;
template <std::size_t... kIndex>
struct Kernels<std::index_sequence<kIndex...>> {
  static constexpr Kernel kAll[] = {kernel_of<kIndex>()...};
};
using AllKernels = Kernels<std::make_index_sequence<std::size(kCatalogue<CudaContext>)>>;

/// Buffers shown to peers by a kernel itself.
__global__ void run_exposure(Fabric* fabric, ExposedBuffer input, ExposedBuffer output,
                             bool* seen) {
  const BlockGroup block;
  if (block.rank() == 0) {
    fabric->expose(input, output);
    *seen = fabric->wait_exposed(fabric->neighbour(1)) != nullptr;
  }
  block.sync();
  fabric->close_exposure(block);
}

/// A user's kernel with channels: all verbs.
__global__ void run_channel(MemoryChannel channel, std::uint64_t bytes, std::uint64_t tag,
                            unsigned* failures) {
  const BlockGroup block;
  bool good = channel.put(block, 0, 0, bytes);
  channel.signal(block);
  good &= channel.wait(block);
  good &= channel.get(block, 0, 0, bytes);
  good &= channel.put_packets(block, 0, 0, bytes, tag);
  good &= channel.receive_packets(block, 0, 0, bytes, tag);
  if (block.rank() == 0) {
    channel.semaphore.signal(2);
    good &= channel.semaphore.wait(*channel.waits, 2);
    good &= channel.poll() || channel.semaphore.poll(2);
  }
  if (!good) atomicAdd(failures, 1u);
}

}  // namespace

/// Takes the kernels' addresses, so that they are not left out of the object.
Kernel schedule_kernel(std::size_t index) { return AllKernels::kAll[index]; }
const void* channel_kernel() { return reinterpret_cast<const void*>(&run_channel); }
const void* exposure_kernel() { return reinterpret_cast<const void*>(&run_exposure); }

}  // namespace sluice
