// The public collectives on host memory: each checks its arguments, describes the call and runs it.
#include <fmt/format.h>

#include <cstring>

#include "base/error.hpp"
#include "communicator/calls.hpp"
#include "communicator/transfers.hpp"

namespace sluice {
namespace {

using Impl = Communicator::Impl;

/// Runs a collective that only moves bytes; its arithmetic is used to copy to two places at once.
Status run_moving(Impl& impl, const Call& call) {
  const Impl::Turn turn(impl);
  SLUICE_TRY(turn.status());
  SLUICE_TRY(check(impl, call));
  if (impl.device() != nullptr) [[unlikely]]
    SLUICE_TRY(impl.expect_host_memory(call));
  return impl.run(call, impl.copying());
}

/// Runs a collective that reduces. A pre-multiplied sum is a sum of inputs that were scaled first:
/// into the output where it can hold them (and the call continues in place), else into memory of
/// its own.
Status run_scaled(Impl& impl, Call call, const Reduction& reduction) {
  if (reduction.scale_at != nullptr)
    return bad_argument(impl, call, "the scale is in a device's memory, and the call on no stream");
  const std::uint64_t bytes = call.input_bytes(impl.rank());
  std::unique_ptr<std::byte[]> own;
  std::byte* scaled = call.output;
  if (call.output_bytes(impl.rank()) < bytes) {
    own.reset(new (std::nothrow) std::byte[bytes]);
    if (own == nullptr)
      return fail(Errc::kSystemError, "out of memory",
                  fmt::format("rank {}, {}: no {} bytes for the scaled input", impl.rank(),
                              name(call.collective), bytes));
    scaled = own.get();
  }
  compute::scale(scaled, call.input, bytes / call.elem_bytes, call.type, reduction.scale,
                 reduction.integer_scale);
  call.input = scaled;
  return impl.run(call, impl.arithmetic(call));
}

Status run_reducing(Impl& impl, Call& call, const Reduction& reduction) {
  call.op = reduction.op;
  const Impl::Turn turn(impl);
  SLUICE_TRY(turn.status());
  SLUICE_TRY(check(impl, call));
  if (impl.device() != nullptr) [[unlikely]]
    SLUICE_TRY(impl.expect_host_memory(call));
  if (call.op == ReduceOp::kPreMulSum) [[unlikely]]
    return run_scaled(impl, call, reduction);
  return impl.run(call, impl.arithmetic(call));
}

}  // namespace

Status Communicator::all_reduce(const void* input, void* output, std::size_t count, DataType type,
                                const Reduction& reduction) {
  Call call = make_call(Collective::kAllReduce, type, input, output, count);
  return run_reducing(*impl_, call, reduction);
}

Status Communicator::reduce(const void* input, void* output, std::size_t count, DataType type,
                            const Reduction& reduction, int root) {
  Call call = make_call(Collective::kReduce, type, input, output, count, root);
  return run_reducing(*impl_, call, reduction);
}

Status Communicator::reduce_scatter(const void* input, void* output, std::size_t count,
                                    DataType type, const Reduction& reduction) {
  Call call = make_block_call(*impl_, Collective::kReduceScatter, type, input, output, count);
  return run_reducing(*impl_, call, reduction);
}

Status Communicator::reduce_scatter_v(const void* input, void* output,
                                      std::span<const std::size_t> counts, DataType type,
                                      const Reduction& reduction) {
  SLUICE_TRY(check_list(*impl_, Collective::kReduceScatterV, "counts", counts, type));
  Call call = make_listed_call(Collective::kReduceScatterV, type, input, output, counts, nullptr);
  return run_reducing(*impl_, call, reduction);
}

Status Communicator::all_gather(const void* input, void* output, std::size_t count, DataType type) {
  return run_moving(*impl_,
                    make_block_call(*impl_, Collective::kAllGather, type, input, output, count));
}

Status Communicator::all_gather_v(const void* input, void* output,
                                  std::span<const std::size_t> counts,
                                  std::span<const std::size_t> displacements, DataType type) {
  SLUICE_TRY(check_list(*impl_, Collective::kAllGatherV, "counts", counts, type));
  SLUICE_TRY(check_list(*impl_, Collective::kAllGatherV, "displacements", displacements, type));
  return run_moving(*impl_, make_listed_call(Collective::kAllGatherV, type, input, output, counts,
                                             displacements.data()));
}

Status Communicator::broadcast(const void* input, void* output, std::size_t count, DataType type,
                               int root) {
  return run_moving(*impl_, make_call(Collective::kBroadcast, type,
                                      rank() == root ? input : nullptr, output, count, root));
}

Status Communicator::gather(const void* input, void* output, std::size_t count, DataType type,
                            int root) {
  return run_moving(*impl_,
                    make_block_call(*impl_, Collective::kGather, type, input, output, count, root));
}

Status Communicator::scatter(const void* input, void* output, std::size_t count, DataType type,
                             int root) {
  return run_moving(*impl_, make_block_call(*impl_, Collective::kScatter, type,
                                            rank() == root ? input : nullptr, output, count, root));
}

Status Communicator::all_to_all(const void* input, void* output, std::size_t count, DataType type) {
  return run_moving(*impl_,
                    make_block_call(*impl_, Collective::kAllToAll, type, input, output, count));
}

Status Communicator::barrier() {
  return run_moving(*impl_, Call(Collective::kBarrier, DataType::kUint8));
}

Status Communicator::all_to_all_v(const void* input, std::span<const std::size_t> send_counts,
                                  std::span<const std::size_t> send_displacements, void* output,
                                  std::span<const std::size_t> receive_counts,
                                  std::span<const std::size_t> receive_displacements,
                                  DataType type) {
  const AllToAllV call{static_cast<const std::byte*>(input),
                       send_counts,
                       send_displacements,
                       static_cast<std::byte*>(output),
                       receive_counts,
                       receive_displacements,
                       type};
  const Impl::Turn turn(*impl_);
  SLUICE_TRY(turn.status());
  SLUICE_TRY(check(*impl_, call));
  const std::uint64_t elem_bytes = size_in_bytes(type);
  const auto own = static_cast<std::size_t>(rank());
  std::vector<LinkTransfer> transfers;
  transfers.reserve(2 * static_cast<std::size_t>(size()));
  for (int i = 1; i < size(); ++i) {
    const int target = (rank() + i) % size(), origin = (rank() - i + size()) % size();
    const auto t = static_cast<std::size_t>(target), o = static_cast<std::size_t>(origin);
    transfers.push_back({.peer = target,
                         .sending = true,
                         .data = const_cast<std::byte*>(call.sent_to(t)),
                         .bytes = send_counts[t] * elem_bytes});
    transfers.push_back(
        {.peer = origin, .data = call.received_from(o), .bytes = receive_counts[o] * elem_bytes});
  }
  SLUICE_TRY(impl_->expect_host_memory(transfers));
  if (send_counts[own] != 0)
    compute::copy(call.received_from(own), call.sent_to(own), send_counts[own] * elem_bytes);
  return impl_->run_exchange(Call(Collective::kAllToAllV, type), transfers);
}

}  // namespace sluice
