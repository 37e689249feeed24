// The public collectives on streams: each checks its arguments, describes the call and enqueues it.
#include "sluice/on_stream.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "communicator/calls.hpp"
#include "communicator/device_part.hpp"
#include "communicator/transfers.hpp"
#include "plan/strand_exchange.hpp"

namespace sluice {
namespace {

using Impl = Communicator::Impl;
static_assert(OnStream::kMostTransfers == kMostTransfers);

/// Ok, or why no call may start.
Status may_start(Impl& impl, const Impl::Turn& turn, Collective collective) {
  impl.take_device_failure();
  SLUICE_TRY(turn.status());
  if (impl.device() != nullptr) return {};
  return fail(Errc::kInvalidUsage, "no device",
              fmt::format("rank {}, {} on a stream: there is no device to run it on: {}; expected "
                          "Options::device",
                          impl.rank(), name(collective), impl.why_no_device()));
}

Status enqueue(Impl& impl, const Call& call, Stream stream,
               const Reduction& reduction = ReduceOp::kSum, const BlockLengths& lengths = {}) {
  const Impl::Turn turn(impl);
  SLUICE_TRY(may_start(impl, turn, call.collective));
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

Status OnStream::all_to_all_v(const void* input, std::span<const std::size_t> send_counts,
                              std::span<const std::size_t> send_displacements, void* output,
                              std::span<const std::size_t> receive_counts,
                              std::span<const std::size_t> receive_displacements,
                              DataType type) const {
  const AllToAllV call{static_cast<const std::byte*>(input),
                       send_counts,
                       send_displacements,
                       static_cast<std::byte*>(output),
                       receive_counts,
                       receive_displacements,
                       type};
  const Impl::Turn turn(*impl_);
  SLUICE_TRY(may_start(*impl_, turn, Collective::kAllToAllV));
  SLUICE_TRY(check(*impl_, call));
  const int size = impl_->size(), rank = impl_->rank();
  const std::uint64_t elem_bytes = size_in_bytes(type);
  std::vector<ListedTransfer> transfers;
  transfers.reserve(2 * static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) {  // first what stays here
    const int target = (rank + i) % size, origin = (rank - i + size) % size;
    const auto t = static_cast<std::size_t>(target), o = static_cast<std::size_t>(origin);
    transfers.push_back(
        {const_cast<std::byte*>(call.sent_to(t)), send_counts[t] * elem_bytes, target, true, type});
    transfers.push_back(
        {call.received_from(o), receive_counts[o] * elem_bytes, origin, false, type});
  }
  const Call described(Collective::kAllToAllV, type);
  return impl_->exchange_on(
      stream_, transfers,
      {.is_collective = true, .words = words_of(described), .record = record_of(described)});
}

Status OnStream::exchange(std::span<const Communicator::Transfer> transfers) const {
  using Transfer = Communicator::Transfer;
  const Impl::Turn turn(*impl_);
  SLUICE_TRY(may_start(*impl_, turn, Collective::kSendReceive));
  SLUICE_TRY(check_transfers(*impl_, transfers));
  SLUICE_TRY_ASSIGN(const auto own, own_messages(impl_->rank(), transfers));
  std::vector<ListedTransfer> listed;
  listed.reserve(transfers.size());
  const auto list = [&](const Transfer& transfer) {
    const bool sends = transfer.direction == Transfer::Direction::kSend;
    listed.push_back(
        {static_cast<std::byte*>(sends ? const_cast<void*>(transfer.source) : transfer.destination),
         transfer.count * size_in_bytes(transfer.type), transfer.peer, sends, transfer.type});
  };
  for (const auto& [from, to] : own) {
    list(*from);
    list(*to);
  }
  for (const Transfer& transfer : transfers)
    if (transfer.peer != impl_->rank()) list(transfer);
  return impl_->exchange_on(
      stream_, listed, {.record = record_of(Call(Collective::kSendReceive, DataType::kUint8))});
}

Status OnStream::send(const void* source, std::size_t count, DataType type, int peer) const {
  const Communicator::Transfer transfer{.direction = Communicator::Transfer::Direction::kSend,
                                        .peer = peer,
                                        .source = source,
                                        .count = count,
                                        .type = type};
  return exchange({&transfer, 1});
}

Status OnStream::receive(void* destination, std::size_t count, DataType type, int peer) const {
  const Communicator::Transfer transfer{.direction = Communicator::Transfer::Direction::kReceive,
                                        .peer = peer,
                                        .destination = destination,
                                        .count = count,
                                        .type = type};
  return exchange({&transfer, 1});
}

Status OnStream::barrier() const {
  return enqueue(*impl_, Call(Collective::kBarrier, DataType::kUint8), stream_);
}

}  // namespace sluice
