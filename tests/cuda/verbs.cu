// Every verb of a channel as CUDA device code. Compiled, not run: src/channel is kernels' code as
// it stands. That the schedules are, src/plan/kernels/kernels.cu shows.
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "channel/block_group.hpp"
#include "channel/fabric.hpp"
#include "channel/fifo.hpp"
#include "channel/memory_channel.hpp"
#include "channel/small_packet.hpp"
#include "channel/switch_channel.hpp"

namespace sluice {
namespace {

static_assert(std::is_trivially_copyable_v<MemoryChannel> &&
              std::is_trivially_copyable_v<Semaphore>);
static_assert(std::is_trivially_copyable_v<Fabric>);

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

/// The same with channels across a port, whose requests go through a FIFO.
__global__ void run_port(PortChannel<const FifoPort> channel, FifoPort fifo, std::uint64_t bytes,
                         unsigned* failures) {
  const BlockGroup block;
  channel.port = &fifo;
  bool good = channel.put(block, 0, 0, bytes);
  good &= channel.put_signal(block, bytes, 0, bytes);
  good &= channel.signal(block) && channel.flush(block) && channel.wait(block);
  if (block.rank() == 0) good &= channel.put(0, 0, bytes) && channel.flush();
  if (!good) atomicAdd(failures, 1u);
}

template <class P>
__device__ bool exchange_small(const BlockGroup& block, const MemoryChannel& channel,
                               std::uint64_t bytes, std::uint64_t flag) {
  put_small_packets(block, reinterpret_cast<P*>(channel.remote.base), channel.local.base, bytes,
                    flag);
  return receive_small_packets(block, *channel.waits, reinterpret_cast<P*>(channel.local.base),
                               channel.local.base, bytes, flag, channel.semaphore.peer);
}

__global__ void run_small_packets(MemoryChannel channel, std::uint64_t bytes, std::uint64_t flag,
                                  unsigned* failures) {
  const BlockGroup block;
  const bool good = exchange_small<Packet8>(block, channel, bytes, flag) &&
                    exchange_small<Packet16>(block, channel, bytes, flag) &&
                    exchange_small<Line128>(block, channel, bytes, flag);
  if (!good) atomicAdd(failures, 1u);
}

/// multimem where the device has it; elsewhere it is left out.
__global__ void run_switch(SwitchChannel<> channel, std::byte* own, std::uint64_t bytes,
                           DataType type, unsigned* failures) {
  const BlockGroup block;
  const bool good =
      channel.reduce(block, own, 0, bytes, type) && channel.broadcast(block, 0, own, bytes);
  if (!good) atomicAdd(failures, 1u);
}

}  // namespace

/// Takes the kernels' addresses, so that they are not left out of the object.
const void* channel_kernel() { return reinterpret_cast<const void*>(&run_channel); }
const void* port_kernel() { return reinterpret_cast<const void*>(&run_port); }
const void* small_packets_kernel() { return reinterpret_cast<const void*>(&run_small_packets); }
const void* switch_kernel() { return reinterpret_cast<const void*>(&run_switch); }
const void* exposure_kernel() { return reinterpret_cast<const void*>(&run_exposure); }

}  // namespace sluice
