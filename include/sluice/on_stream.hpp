// Collectives and messages on device memory.
//
//   sluice::Options options;
//   options.device = 0;
//   auto world = sluice::Communicator::from_environment(options);
//   ...
//   world->on({stream}).all_reduce(input, output, count, type, sluice::ReduceOp::kSum);
//
// What each one does, its counts and "in place" are those of the function of the same name in
// sluice/communicator.hpp, and so are the bits of the result. What differs:
//
// Buffers. Memory of the rank's device (sluice::alloc with kDevice, or any other), managed memory,
// or pinned host memory; any alignment.
//
// Order. A call enqueues and returns. Input and output belong to it until the stream has come past
// it. Calls of one communicator run in the order in which they were made: make them on one stream,
// or let streams wait for each other. Every rank makes the same collectives in the same order;
// messages pair up per peer in order. Calls on host memory are an order of their own beside this
// one. Work that is enqueued must have ended before the communicator is destroyed.
//
// Graphs. A call may be captured; the graph runs it with the same buffers at every launch. All
// ranks launch their graphs, and make their other calls, in the same order.
//
// Errors. A call returns what is wrong with its arguments, and the communicator's error. What a
// peer does wrong comes out later: the kernel ends within Options::timeout, the output is
// undefined, the stream goes on; Communicator::error() says why, and so does every later call.
//
// Hosts. Among ranks on several hosts everything goes through the hosts' memory; device memory
// cannot be registered there: kInvalidUsage.
//
// Threads. As the communicator: one call at a time.
#pragma once

#include <cstddef>
#include <span>

#include "sluice/communicator.hpp"
#include "sluice/device.hpp"
#include "sluice/status.hpp"
#include "sluice/types.hpp"

namespace sluice {

/// A communicator and a stream: cheap to make, to be used at once. The communicator must outlive
/// it.
class OnStream {
 public:
  Status all_reduce(const void* input, void* output, std::size_t count, DataType type,
                    const Reduction& reduction) const;
  Status reduce_scatter(const void* input, void* output, std::size_t count, DataType type,
                        const Reduction& reduction) const;
  Status all_gather(const void* input, void* output, std::size_t count, DataType type) const;
  Status broadcast(const void* input, void* output, std::size_t count, DataType type,
                   int root) const;
  Status reduce(const void* input, void* output, std::size_t count, DataType type,
                const Reduction& reduction, int root) const;
  Status gather(const void* input, void* output, std::size_t count, DataType type, int root) const;
  Status scatter(const void* input, void* output, std::size_t count, DataType type, int root) const;
  Status all_to_all(const void* input, void* output, std::size_t count, DataType type) const;
  /// At most 128 ranks. The lists may be reused when the call returns.
  Status all_gather_v(const void* input, void* output, std::span<const std::size_t> counts,
                      std::span<const std::size_t> displacements, DataType type) const;
  /// Likewise.
  Status reduce_scatter_v(const void* input, void* output, std::span<const std::size_t> counts,
                          DataType type, const Reduction& reduction) const;
  /// At most 512 ranks. The lists may be reused when the call returns.
  Status all_to_all_v(const void* input, std::span<const std::size_t> send_counts,
                      std::span<const std::size_t> send_displacements, void* output,
                      std::span<const std::size_t> receive_counts,
                      std::span<const std::size_t> receive_displacements, DataType type) const;
  /// The streams of all ranks come past it together.
  Status barrier() const;

  // ---- point to point ----

  /// All transfers at once, progressing together; at most kMostTransfers, a kInvalidUsage
  /// otherwise. Only the ranks named take part. The list may be reused when the call returns.
  Status exchange(std::span<const Communicator::Transfer> transfers) const;
  static constexpr std::size_t kMostTransfers = 1024;

  Status send(const void* source, std::size_t count, DataType type, int peer) const;
  Status receive(void* destination, std::size_t count, DataType type, int peer) const;

 private:
  friend class Communicator;
  OnStream(Communicator::Impl& impl, Stream stream) : impl_(&impl), stream_(stream) {}

  Communicator::Impl* impl_;
  Stream stream_;
};

/// Shows [memory, memory + bytes), of this rank's device, to the other ranks until
/// withdraw_device_memory() or the communicator's end. Collectives whose buffers lie in such memory
/// on every rank may then read and write them in place (the `direct` algorithms), though the ranks
/// be in several processes; where all ranks are threads of one process they may so anyway.
///
/// Collective, and not on a stream: returns when all ranks have called it. Every rank passes memory
/// of its own, of any size; at most 64 are registered at a time. The buffers of a call must lie in
/// registered memory on all ranks that have them or on none: otherwise their calls do not match. It
/// works for memory of sluice::alloc and of cudaMalloc; for memory of cudaMallocAsync or managed
/// memory it is kGpuError. The memory must not be freed before it has been withdrawn.
Status register_device_memory(Communicator& communicator, void* memory, std::size_t bytes);

/// Ends that; collective, in the order of registering's. No call that uses the memory may be under
/// way or be made again, in a graph neither.
Status withdraw_device_memory(Communicator& communicator, void* memory);

}  // namespace sluice
