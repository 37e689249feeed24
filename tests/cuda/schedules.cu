// Every schedule of the catalogue, and every verb of a channel, as CUDA device code. Compiled, not
// run: what is tested is that src/channel and algorithms are kernels' code as they stand.
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "algorithms/catalogue.hpp"
#include "channel/arithmetic.hpp"
#include "channel/fabric.hpp"
#include "channel/memory_channel.hpp"
#include "channel/thread_group.hpp"

namespace sluice {
namespace {

/// The threads of a CUDA block. On the host, where nobody runs it, one thread.
struct CudaBlock {
#if defined(SLUICE_DEVICE_CUDA)
  __device__ unsigned rank() const { return threadIdx.x; }
  __device__ unsigned size() const { return blockDim.x; }
  __device__ void sync() const { __syncthreads(); }
#else
  unsigned rank() const { return 0; }
  unsigned size() const { return 1; }
  void sync() const {}
#endif
};
static_assert(ThreadGroup<CudaBlock>);

struct Sum {
  template <class T>
  SLUICE_FN T operator()(T a, T b) const {
    return a + b;
  }
};

struct CudaContext {
  using Group = CudaBlock;
  using Fabric = sluice::Fabric;
  using Math = TypedArithmetic<float, Sum>;
};
using CudaEntry = CatalogueEntry<CudaContext>;

static_assert(std::is_trivially_copyable_v<MemoryChannel> &&
              std::is_trivially_copyable_v<Semaphore>);
static_assert(std::is_trivially_copyable_v<Fabric> && std::is_trivially_copyable_v<Arguments>);

/// One rank's part of one operation, by one block. `fabric` is in memory of the device.
template <CudaEntry::Run kSchedule>
__global__ void run_schedule(Fabric* fabric, CudaContext::Math math, Arguments arguments,
                             OperationRecord record) {
  const CudaBlock block;
  if (block.rank() == 0) fabric->begin(record);
  block.sync();
  kSchedule(block, *fabric, math, arguments);
  block.sync();
  if (block.rank() == 0) fabric->end();
}

using Kernel = void (*)(Fabric*, CudaContext::Math, Arguments, OperationRecord);

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
  const CudaBlock block;
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
  const CudaBlock block;
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
