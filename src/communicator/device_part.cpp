#include "communicator/device_part.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice {
namespace {

/// A strand has so much to do at the least: less is done before the others have begun.
constexpr std::uint64_t kBytesOfStrand = 16 * 1024;
/// Up to so many bytes few threads are quicker, because their barriers are.
constexpr std::uint64_t kBytesOfFew = 2 * 1024;
constexpr unsigned kFewThreads = 128;

bool reduces(Collective collective) {
  return collective == Collective::kAllReduce || collective == Collective::kReduce ||
         collective == Collective::kReduceScatter || collective == Collective::kReduceScatterV;
}

std::uint64_t whole_bytes(const Call& call) { return std::max(call.bytes(), call.blocks.total()); }

kernels::BlockLists lists_of(const BlockLengths& lengths) {
  kernels::BlockLists lists;
  std::copy(lengths.counts.begin(), lengths.counts.end(), lists.counts);
  lists.displaced = lengths.displacements != nullptr;
  if (lists.displaced)
    std::copy_n(lengths.displacements, lengths.counts.size(), lists.displacements);
  return lists;
}

}  // namespace

unsigned DevicePart::strands_for(std::uint64_t bytes) const {
  const std::uint64_t worth = (bytes + kBytesOfStrand - 1) / kBytesOfStrand;
  return static_cast<unsigned>(std::clamp<std::uint64_t>(worth, 1, shape_.strands));
}

Result<std::string_view> DevicePart::run(const Call& call, const Reduction& reduction,
                                         const BlockLengths& lengths, Stream stream) {
  const device::Using device(device_);
  SLUICE_TRY(device.status());
  if (lengths.counts.size() > kernels::kMostListed)
    return fail(Errc::kInvalidUsage, "too many ranks",
                fmt::format("rank {}, {}: expected at most {} ranks on devices, found {}", rank_,
                            name(call.collective), kernels::kMostListed, lengths.counts.size()));
  if (reduces(call.collective) && call.op == ReduceOp::kPreMulSum)
    return run_scaled(call, reduction, lengths, stream);
  return enqueue(call, direct_ ? BufferAccess::kBuffers : BufferAccess::kNone, lengths, stream);
}

/// The inputs are scaled first: into the output where it can hold them, else into memory that
/// exists in this stream alone. Peers do not reach that, and all ranks must choose alike.
Result<std::string_view> DevicePart::run_scaled(Call call, const Reduction& reduction,
                                                const BlockLengths& lengths, Stream stream) {
  const std::uint64_t bytes = call.input_bytes(rank_);
  void* own = nullptr;
  if (call.output_bytes(rank_) < bytes) {
    SLUICE_TRY_ASSIGN(own, device::allocate_on(stream, bytes));
  }
  auto* const scaled = own == nullptr ? call.output : static_cast<std::byte*>(own);
  Status status = bytes == 0 ? Status() : scale(scaled, call, bytes, reduction, stream);
  call.input = scaled;
  std::string_view algorithm;
  if (status.ok()) {
    auto ran = enqueue(call, BufferAccess::kNone, lengths, stream);
    status = ran.status();
    if (ran.ok()) algorithm = ran.value();
  }
  if (own != nullptr) {
    const Status released = device::release_on(stream, own);
    if (status.ok()) status = released;
  }
  if (!status.ok()) return status;
  return algorithm;
}

Status DevicePart::scale(std::byte* destination, const Call& call, std::uint64_t bytes,
                         const Reduction& reduction, Stream stream) const {
  const std::byte* source = call.input;
  std::uint64_t count = bytes / call.elem_bytes;
  kernels::ScaleBy by{call.type, reduction.scale, reduction.integer_scale, reduction.scale_at};
  void* arguments[] = {&destination, &source, &count, &by};
  return device::launch(kernels::scale(), strands_for(bytes), kernels::kThreads, arguments, stream);
}

Result<std::string_view> DevicePart::enqueue(const Call& call, BufferAccess access,
                                             const BlockLengths& lengths, Stream stream) {
  const HostEntry& entry = selection_.choose(call.collective, call.message_bytes(), access);
  const auto line = static_cast<std::size_t>(&entry - host_catalogue().data());
  const std::uint64_t bytes = whole_bytes(call);
  const unsigned blocks = strands_for(bytes);

  auto* strands = reinterpret_cast<Strand*>(memory_.get());
  GroupArithmetic math;
  if (reduces(call.collective))
    math = {call.type, call.op,
            call.op == ReduceOp::kAverage ? static_cast<std::uint32_t>(shape_.ranks) : 1};
  StrandCall launched{.arguments = call,
                      .shape = shape_of(call.collective),
                      .words = words_of(call),
                      .record = record_of(call),
                      .strands = static_cast<std::int32_t>(blocks),
                      .shows_buffers = entry.needs >= Needs::kReach};
  kernels::BlockLists lists;
  if (kernels::is_listed(call.collective)) lists = lists_of(lengths);
  void* arguments[] = {&strands, &math, &launched, &lists};
  SLUICE_TRY(device::launch(kernels::schedule(line), blocks,
                            bytes <= kBytesOfFew ? kFewThreads : kernels::kThreads, arguments,
                            stream));
  return entry.name;
}

Status DevicePart::expect_reached(const void* memory, const char* what) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const void*& known = known_[(address >> 9) % known_.size()];
  if (memory == nullptr || known == memory) return {};
  SLUICE_TRY_ASSIGN(const device::Place place, device::place_of(memory));
  if (!place.reached && !facts_.reads_pageable)
    return fail(Errc::kInvalidArgument, "not device memory",
                fmt::format("rank {}: {} at {} is ordinary host memory; expected memory that "
                            "kernels on device {} can use",
                            rank_, what, memory, device_));
  if (place.device >= 0 && place.device != device_)
    return fail(Errc::kInvalidArgument, "memory of another device",
                fmt::format("rank {}: {} at {} is memory of device {}; expected device {}", rank_,
                            what, memory, place.device, device_));
  known = memory;
  return {};
}

Status DevicePart::expect_host(const void* memory, const char* what) const {
  if (memory == nullptr) return {};
  SLUICE_TRY_ASSIGN(const device::Place place, device::place_of(memory));
  if (place.device < 0) return {};
  return fail(
      Errc::kInvalidArgument, "device memory",
      fmt::format("rank {}: {} at {} is memory of device {}; expected host memory, or a call "
                  "on a stream: on(stream)",
                  rank_, what, memory, place.device));
}

const StrandFailure* DevicePart::failure() const {
  const StrandFailure& failure = pinned().failure;
  // Pairs with report_failure(): who finds it written finds the rest.
  return port::load_acquire(&failure.written) != 0 ? &failure : nullptr;
}

std::string DevicePart::text_of(const StrandFailure& failure) const {
  const std::string me = fmt::format("rank {} of {} on device {}, {}", rank_, shape_.ranks, device_,
                                     describe(failure.own));
  const int peer = failure.why.peer;
  if (is_mismatch(failure))
    return fmt::format("calls do not match: rank {} called {}, rank {} called {}", rank_,
                       describe(failure.own), peer, describe(failure.theirs));
  const auto whereabouts = [&]() -> std::string {
    if (failure.peer_started == 0) return "has not called a collective on a device yet";
    if (failure.peer_started >= kOut) return "has met an error";
    if (failure.theirs.epoch == 0) return "is elsewhere";
    return fmt::format("last began {}", describe(failure.theirs));
  };
  if (failure.why.outcome == WaitOutcome::kAborted) return fmt::format("{}: aborted", me);
  return fmt::format("{}: waited for rank {}, which {} (strand {}: expected {:#x}, saw {:#x})", me,
                     peer, whereabouts(), failure.strand, failure.why.expected, failure.why.seen);
}

bool DevicePart::is_mismatch(const StrandFailure& failure) {
  return failure.why.outcome != WaitOutcome::kAborted && failure.theirs.epoch != 0 &&
         failure.own.epoch == failure.theirs.epoch &&
         failure.own.signature != failure.theirs.signature;
}

}  // namespace sluice
