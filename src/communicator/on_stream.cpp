// The public collectives on streams: each checks its arguments, describes the call and enqueues it.
#include "sluice/on_stream.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "communicator/calls.hpp"
#include "communicator/device_part.hpp"

namespace sluice {
namespace {

using Impl = Communicator::Impl;

Status enqueue(Impl& impl, const Call& call, Stream stream,
               const Reduction& reduction = ReduceOp::kSum, const BlockLengths& lengths = {}) {
  const Impl::Turn turn(impl);
  impl.take_device_failure();
  SLUICE_TRY(turn.status());
  if (impl.device() == nullptr)
    return fail(
        Errc::kInvalidUsage, "no device",
        fmt::format("rank {}, {} on a stream: there is no device to run it on: {}; expected "
                    "Options::device",
                    impl.rank(), name(call.collective), impl.why_no_device()));
  SLUICE_TRY(check(impl, call));
  return impl.run_on(stream, call, reduction, lengths);
}

Status enqueue_reducing(Impl& impl, Call call, const Reduction& reduction, Stream stream,
                        const BlockLengths& lengths = {}) {
  call.op = reduction.op;
  return enqueue(impl, call, stream, reduction, lengths);
}

}  // namespace

OnStream Communicator::on(Stream stream) { return {*impl_, stream}; }

Status OnStream::all_reduce(const void* input, void* output, std::size_t count, DataType type,
                            const Reduction& reduction) const {
  return enqueue_reducing(*impl_, make_call(Collective::kAllReduce, type, input, output, count),
                          reduction, stream_);
}

Status OnStream::reduce(const void* input, void* output, std::size_t count, DataType type,
                        const Reduction& reduction, int root) const {
  return enqueue_reducing(*impl_, make_call(Collective::kReduce, type, input, output, count, root),
                          reduction, stream_);
}

Status OnStream::reduce_scatter(const void* input, void* output, std::size_t count, DataType type,
                                const Reduction& reduction) const {
  return enqueue_reducing(
      *impl_, make_block_call(*impl_, Collective::kReduceScatter, type, input, output, count),
      reduction, stream_);
}

Status OnStream::reduce_scatter_v(const void* input, void* output,
                                  std::span<const std::size_t> counts, DataType type,
                                  const Reduction& reduction) const {
  const Collective me = Collective::kReduceScatterV;
  SLUICE_TRY(check_list(*impl_, me, "counts", counts, type));
  return enqueue_reducing(*impl_, make_listed_call(me, type, input, output, counts, nullptr),
                          reduction, stream_, {counts, nullptr});
}

Status OnStream::all_gather(const void* input, void* output, std::size_t count,
                            DataType type) const {
  return enqueue(
      *impl_, make_block_call(*impl_, Collective::kAllGather, type, input, output, count), stream_);
}

Status OnStream::all_gather_v(const void* input, void* output, std::span<const std::size_t> counts,
                              std::span<const std::size_t> displacements, DataType type) const {
  const Collective me = Collective::kAllGatherV;
  SLUICE_TRY(check_list(*impl_, me, "counts", counts, type));
  SLUICE_TRY(check_list(*impl_, me, "displacements", displacements, type));
  return enqueue(*impl_, make_listed_call(me, type, input, output, counts, displacements.data()),
                 stream_, ReduceOp::kSum, {counts, displacements.data()});
}

Status OnStream::broadcast(const void* input, void* output, std::size_t count, DataType type,
                           int root) const {
  const void* read = impl_->rank() == root ? input : nullptr;
  return enqueue(*impl_, make_call(Collective::kBroadcast, type, read, output, count, root),
                 stream_);
}

Status OnStream::gather(const void* input, void* output, std::size_t count, DataType type,
                        int root) const {
  return enqueue(*impl_,
                 make_block_call(*impl_, Collective::kGather, type, input, output, count, root),
                 stream_);
}

Status OnStream::scatter(const void* input, void* output, std::size_t count, DataType type,
                         int root) const {
  const void* read = impl_->rank() == root ? input : nullptr;
  return enqueue(*impl_,
                 make_block_call(*impl_, Collective::kScatter, type, read, output, count, root),
                 stream_);
}

Status OnStream::all_to_all(const void* input, void* output, std::size_t count,
                            DataType type) const {
  return enqueue(*impl_, make_block_call(*impl_, Collective::kAllToAll, type, input, output, count),
                 stream_);
}

Status OnStream::barrier() const {
  return enqueue(*impl_, Call(Collective::kBarrier, DataType::kUint8), stream_);
}

}  // namespace sluice
