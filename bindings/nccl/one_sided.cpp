#include "bindings/nccl/one_sided.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/group.hpp"
#include "communicator/impl.hpp"
#include "compute/reduce.hpp"
#include "plan/strand_one_sided.hpp"

namespace sluice::nccl {
namespace {

using Kind = Operation::Kind;

SignalBoard::Name signal_of(const Operation& operation) {
  return {operation.peer, operation.context, operation.signal};
}

Status check_window(const ncclComm& comm, const ncclWindow_vidmem* window) {
  if (window == nullptr || window->magic != ncclWindow_vidmem::kAlive || window->owner != &comm)
    return bad_argument("put: not a window of this communicator");
  if (window->of_ranks.empty()) return bad_usage(fmt::format("put: {}", window->why_local));
  return {};
}

std::uint64_t bytes_of(const Operation& operation) {
  return operation.count * size_in_bytes(operation.data_type());
}

/// Where a put goes, in this process; in range.
std::byte* place_of(const Operation& operation) {
  return operation.window->of_ranks[static_cast<std::size_t>(operation.peer)].base +
         operation.offset;
}

Status check_range(const Operation& operation) {
  const Window& there = operation.window->of_ranks[static_cast<std::size_t>(operation.peer)];
  const std::uint64_t elem_bytes = size_in_bytes(operation.data_type());
  if (operation.count > there.bytes / elem_bytes ||
      !there.contains(operation.offset, operation.count * elem_bytes))
    return bad_argument(fmt::format("put: {} {} at byte {} leave the {} bytes of rank {}'s window",
                                    operation.count, name(operation.data_type()), operation.offset,
                                    there.bytes, operation.peer));
  if (operation.input == nullptr && operation.count != 0)
    return bad_argument("put: the local buffer is null");
  const auto from = reinterpret_cast<std::uintptr_t>(operation.input);
  const auto to = reinterpret_cast<std::uintptr_t>(place_of(operation));
  const std::uint64_t bytes = bytes_of(operation);
  if (from != to && from < to + bytes && to < from + bytes)
    return bad_argument(
        fmt::format("put: the local buffer, {} bytes at {}, overlaps its place in "
                    "the window, at {}",
                    bytes, operation.input, fmt::ptr(place_of(operation))));
  return {};
}

ncclResult_t check_flags(unsigned flags) {
  if (flags == 0) return ncclSuccess;
  return conclude(bad_argument(fmt::format("flags {:#x}: none are known, expected 0", flags)));
}

}  // namespace

Status check_one_sided(const ncclComm& comm, const Operation& operation) {
  const bool puts = operation.kind == Kind::kPutSignal;
  if (puts) SLUICE_TRY(check_window(comm, operation.window));
  if (!comm.signals.exists())
    return bad_usage(
        "signals need a window first: ncclCommWindowRegister, of memory that the ranks can map");
  SLUICE_TRY(comm.signals.check(signal_of(operation)));
  return puts ? check_range(operation) : Status();
}

Status run_one_sided(ncclComm& comm, const Operation& operation) {
  // Nothing is written for a peer once the communicator has failed.
  SLUICE_TRY(comm.ranks->error());
  const SignalBoard::Name name = signal_of(operation);
  if (operation.kind == Kind::kWaitSignal)
    return comm.signals.wait(*comm.ranks, name, operation.times);
  if (operation.kind == Kind::kPutSignal && operation.count != 0)
    compute::copy(place_of(operation), static_cast<const std::byte*>(operation.input),
                  bytes_of(operation));
  comm.signals.signal(*comm.ranks, name);
  return {};
}

Status enqueue_puts(ncclComm& comm, std::span<const Operation> operations, Stream stream) {
  std::vector<ListedPut> puts;
  for (const Operation& operation : operations) {
    ListedPut put{.signal = comm.signals.device_counter(signal_of(operation))};
    if (operation.kind == Kind::kPutSignal) {
      put.to = place_of(operation);
      put.from = static_cast<const std::byte*>(operation.input);
      put.bytes = bytes_of(operation);
    }
    puts.push_back(put);
  }
  return comm.ranks->impl().put_on(stream, puts);
}

Status enqueue_waits(ncclComm& comm, std::span<const Operation> operations, Stream stream) {
  std::vector<ListedWait> waits;
  for (const Operation& operation : operations)
    waits.push_back(comm.signals.device_wait(signal_of(operation), operation.times));
  return comm.ranks->impl().wait_on(stream, waits);
}

ncclResult_t PutSignal(const void* localbuff, size_t count, ncclDataType_t datatype, int peer,
                       ncclWindow_t peerWin, size_t peerWinOffset, int sigIdx, int ctx,
                       unsigned int flags, ncclComm_t comm, cudaStream_t stream) {
  if (const ncclResult_t bad = check_flags(flags)) return bad;
  return issue(comm, {.kind = Kind::kPutSignal,
                      .input = localbuff,
                      .count = count,
                      .type = datatype,
                      .peer = peer,
                      .stream = stream,
                      .window = peerWin,
                      .offset = peerWinOffset,
                      .context = ctx,
                      .signal = sigIdx});
}

ncclResult_t Signal(int peer, int sigIdx, int ctx, unsigned int flags, ncclComm_t comm,
                    cudaStream_t stream) {
  if (const ncclResult_t bad = check_flags(flags)) return bad;
  return issue(
      comm,
      {.kind = Kind::kSignal, .peer = peer, .stream = stream, .context = ctx, .signal = sigIdx});
}

ncclResult_t WaitSignal(int nDesc, ncclWaitSignalDesc_t* signalDescs, ncclComm_t comm,
                        cudaStream_t stream) {
  if (nDesc < 0 || (nDesc > 0 && signalDescs == nullptr))
    return conclude(bad_argument(
        fmt::format("ncclWaitSignal: {} descriptors at {}", nDesc, fmt::ptr(signalDescs))));
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  std::vector<Operation> waits;
  for (int i = 0; i < nDesc; ++i) {
    const ncclWaitSignalDesc_t& wanted = signalDescs[i];
    if (wanted.opCnt < 0)
      return conclude(bad_argument(
          fmt::format("ncclWaitSignal: descriptor {} waits for {} signals", i, wanted.opCnt)));
    waits.push_back({.kind = Kind::kWaitSignal,
                     .peer = wanted.peer,
                     .stream = stream,
                     .context = wanted.ctx,
                     .signal = wanted.sigIdx,
                     .times = static_cast<unsigned>(wanted.opCnt)});
  }
  return issue_all(comm, std::move(waits));
}

}  // namespace sluice::nccl
