// The public collectives: each checks its arguments, describes the call and runs it.
#include <fmt/format.h>

#include <cstring>

#include "base/error.hpp"
#include "communicator/impl.hpp"

namespace sluice {
namespace {

using Impl = Communicator::Impl;

Status bad_argument(const Impl& impl, const Call& call, const std::string& text) {
  return fail(Errc::kInvalidArgument, "invalid argument",
              fmt::format("rank {}, {}: {}", impl.rank(), name(call.collective), text));
}

bool overlap(const void* a, std::uint64_t a_bytes, const void* b, std::uint64_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return a_bytes != 0 && b_bytes != 0 && x < y + b_bytes && y < x + a_bytes;
}

/// Whether input and output lie as the collective's "in place" says.
bool in_place(const Call& call, int rank) {
  const BufferShape shape = shape_of(call.collective);
  const auto* input = static_cast<const std::byte*>(call.input);
  const auto* output = static_cast<const std::byte*>(call.output);
  if (shape.input == shape.output) return shape.input == Extent::kWhole && input == output;
  const std::uint64_t offset = call.blocks[rank].offset;
  return shape.input == Extent::kAllBlocks ? output == input + offset : input == output + offset;
}

/// Says what is wrong with a call that looks() doubtful; ok if nothing is.
Status examine(const Impl& impl, const Call& call) {
  if (call.elem_bytes == 0)
    return bad_argument(impl, call,
                        fmt::format("unknown data type {}", static_cast<int>(call.type)));
  if (static_cast<int>(call.op) >= kReduceOpCount)
    return bad_argument(impl, call, fmt::format("unknown operator {}", static_cast<int>(call.op)));
  if (call.root < 0 || call.root >= impl.size())
    return bad_argument(impl, call,
                        fmt::format("root {} is not a rank of {}", call.root, impl.size()));
  if (call.count >
      (std::uint64_t{1} << 62) / call.elem_bytes / static_cast<std::uint64_t>(impl.size()))
    return bad_argument(impl, call, fmt::format("count {} is too large", call.count));
  const std::uint64_t input_bytes = call.input_bytes(impl.rank()),
                      output_bytes = call.output_bytes(impl.rank());
  if (input_bytes != 0 && call.input == nullptr) return bad_argument(impl, call, "input is null");
  if (output_bytes != 0 && call.output == nullptr)
    return bad_argument(impl, call, "output is null");
  if (overlap(call.input, input_bytes, call.output, output_bytes) && !in_place(call, impl.rank()))
    return bad_argument(impl, call, "input and output overlap and are not in place");
  return {};
}

/// examine(), with a short way for the calls that are plainly right: it is on the path of the
/// smallest messages.
Status check(const Impl& impl, const Call& call) {
  constexpr std::uint64_t kPlainlySmall = std::uint64_t{1} << 32;
  const auto input = reinterpret_cast<std::uintptr_t>(call.input);
  const auto output = reinterpret_cast<std::uintptr_t>(call.output);
  const std::uint64_t bytes = call.blocks.total() + call.bytes();
  const bool apart = input + bytes <= output || output + bytes <= input || input == output;
  const bool plain = call.elem_bytes != 0 && static_cast<int>(call.op) < kReduceOpCount &&
                     static_cast<unsigned>(call.root) < static_cast<unsigned>(impl.size()) &&
                     call.count < kPlainlySmall && bytes < kPlainlySmall && input != 0 &&
                     output != 0 && apart &&
                     (input != output || shape_of(call.collective).input == Extent::kWhole);
  if (plain) [[likely]]
    return {};
  return examine(impl, call);
}

/// Runs a collective that only moves bytes; its arithmetic is used to copy to two places at once.
Status run_moving(Impl& impl, const Call& call) {
  const Impl::Turn turn(impl);
  SLUICE_TRY(turn.status());
  SLUICE_TRY(check(impl, call));
  return impl.run(call, impl.copying());
}

/// Runs a collective that reduces. A pre-multiplied sum is a sum of inputs that were scaled first:
/// into the output where it can hold them (and the call continues in place), else into memory of
/// its own.
Status run_scaled(Impl& impl, Call call, const Reduction& reduction) {
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
  if (call.op == ReduceOp::kPreMulSum) [[unlikely]]
    return run_scaled(impl, call, reduction);
  return impl.run(call, impl.arithmetic(call));
}

Call make_call(Collective collective, DataType type, const void* input, void* output,
               std::size_t count, int root = 0) {
  Call call(collective, type);
  call.input = static_cast<const std::byte*>(input);
  call.output = static_cast<std::byte*>(output);
  call.count = count;
  call.root = root;
  return call;
}

/// A call whose larger buffer has `count` elements for each rank.
Call make_block_call(const Impl& impl, Collective collective, DataType type, const void* input,
                     void* output, std::size_t count, int root = 0) {
  Call call = make_call(collective, type, input, output, count, root);
  call.blocks = Blocks::equal(count, call.elem_bytes, static_cast<std::uint64_t>(impl.size()));
  return call;
}

std::uint64_t hash_counts(std::span<const std::size_t> counts) {
  std::uint64_t hash = counts.size();
  for (const std::size_t count : counts)
    hash = (hash ^ count) * 0x9e3779b97f4a7c15, hash ^= hash >> 29;
  return hash;
}

Status check_list(const Impl& impl, Collective collective, const char* what,
                  std::span<const std::size_t> list, DataType type) {
  const std::uint64_t limit = (std::uint64_t{1} << 60) /
                              std::max<std::uint64_t>(size_in_bytes(type), 1) /
                              static_cast<std::uint64_t>(impl.size());
  if (list.size() != static_cast<std::size_t>(impl.size()))
    return bad_argument(impl, Call(collective, type),
                        fmt::format("{} has {} entries, expected one for each of {} ranks", what,
                                    list.size(), impl.size()));
  for (const std::size_t entry : list)
    if (entry > limit)
      return bad_argument(impl, Call(collective, type),
                          fmt::format("{}: {} is too large", what, entry));
  return {};
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
  Call call = make_call(Collective::kReduceScatterV, type, input, output, 0);
  call.blocks = Blocks::listed(counts.data(), nullptr, call.elem_bytes, counts.size());
  call.counts_hash = hash_counts(counts);
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
  Call call = make_call(Collective::kAllGatherV, type, input, output, 0);
  call.blocks = Blocks::listed(counts.data(), displacements.data(), call.elem_bytes, counts.size());
  call.counts_hash = hash_counts(counts);
  return run_moving(*impl_, call);
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
  const Collective me = Collective::kAllToAllV;
  const std::uint64_t elem_bytes = size_in_bytes(type);
  if (elem_bytes == 0)
    return bad_argument(*impl_, Call(me, type),
                        fmt::format("unknown data type {}", static_cast<int>(type)));
  SLUICE_TRY(check_list(*impl_, me, "send counts", send_counts, type));
  SLUICE_TRY(check_list(*impl_, me, "send displacements", send_displacements, type));
  SLUICE_TRY(check_list(*impl_, me, "receive counts", receive_counts, type));
  SLUICE_TRY(check_list(*impl_, me, "receive displacements", receive_displacements, type));
  const Impl::Turn turn(*impl_);
  SLUICE_TRY(turn.status());
  const auto* from = static_cast<const std::byte*>(input);
  auto* to = static_cast<std::byte*>(output);
  const auto own = static_cast<std::size_t>(rank());
  if (send_counts[own] != receive_counts[own])
    return bad_argument(*impl_, Call(me, type),
                        fmt::format("sends {} elements to itself and receives {}", send_counts[own],
                                    receive_counts[own]));
  std::vector<LinkTransfer> transfers;
  transfers.reserve(2 * static_cast<std::size_t>(size()));
  for (int i = 1; i < size(); ++i) {
    const int target = (rank() + i) % size(), origin = (rank() - i + size()) % size();
    const auto t = static_cast<std::size_t>(target), o = static_cast<std::size_t>(origin);
    if ((send_counts[t] != 0 && from == nullptr) || (receive_counts[o] != 0 && to == nullptr))
      return bad_argument(*impl_, Call(me, type), "a buffer is null");
    transfers.push_back({.peer = target,
                         .sending = true,
                         .data = const_cast<std::byte*>(from) + send_displacements[t] * elem_bytes,
                         .bytes = send_counts[t] * elem_bytes});
    transfers.push_back({.peer = origin,
                         .data = to + receive_displacements[o] * elem_bytes,
                         .bytes = receive_counts[o] * elem_bytes});
  }
  if (send_counts[own] != 0) {
    if (from == nullptr || to == nullptr)
      return bad_argument(*impl_, Call(me, type), "a buffer is null");
    compute::copy(to + receive_displacements[own] * elem_bytes,
                  from + send_displacements[own] * elem_bytes, send_counts[own] * elem_bytes);
  }
  return impl_->run_exchange(Call(me, type), transfers);
}

}  // namespace sluice
