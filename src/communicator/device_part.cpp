#include "communicator/device_part.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "plan/kernels/kernels.hpp"

namespace sluice {
namespace {

bool reduces(Collective collective) {
  return collective == Collective::kAllReduce || collective == Collective::kReduce ||
         collective == Collective::kReduceScatter || collective == Collective::kReduceScatterV;
}

std::uint64_t whole_bytes(const Call& call) { return std::max(call.bytes(), call.blocks.total()); }

/// Of what was no operation in the order of collectives.
std::string message_text(const StrandFailure& failure) {
  if (is_put(failure.own.call)) return "a put";
  if (is_signal_wait(failure.own.call)) {
    const SignalName name = signal_of(failure.own.call);
    return fmt::format("a wait for signals (context {}, index {})", name.context, name.index);
  }
  const auto collective = static_cast<Collective>(failure.own.call & 0xff);
  return collective == Collective::kSendReceive ? std::string("a message")
                                                : fmt::format("a part of {}", name(collective));
}

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
  return static_cast<unsigned>(
      std::clamp(worth, std::min(least_strands_, shape_.strands), shape_.strands));
}

Result<std::string_view> DevicePart::run(const Call& call, const Reduction& reduction,
                                         const BlockLengths& lengths, Stream stream) {
  const device::Using device(device_);
  SLUICE_TRY(device.status());
  if (lengths.counts.size() > kernels::kMostListed)
    return fail(Errc::kInvalidUsage, "too many ranks",
                fmt::format("rank {}, {}: expected at most {} ranks on devices, found {}", rank_,
                            name(call.collective), kernels::kMostListed, lengths.counts.size()));
  if (proxy_ != nullptr) return ask_proxy(call, reduction, lengths, stream);
  if (reduces(call.collective) && call.op == ReduceOp::kPreMulSum)
    return run_scaled(call, reduction, lengths, stream);
  return enqueue(call, reached(call), lengths, stream);
}

/// Between processes: the buffers in registered memory, on all ranks that have them. Whether the
/// others' are, nobody has asked them: who calls otherwise does not call the same.
DevicePart::Reached DevicePart::reached(const Call& call) const {
  if (direct_) return {.access = BufferAccess::kBuffers};
  if (regions_.empty()) return {};
  const RegionPlace input = place_in_regions(call.input, call.input_bytes(rank_));
  const RegionPlace output = place_in_regions(call.output, call.output_bytes(rank_));
  if (input.region == 0 || output.region == 0) return {};
  return {BufferAccess::kBuffers, input, output};
}

Result<std::string_view> DevicePart::ask_proxy(const Call& call, const Reduction& reduction,
                                               const BlockLengths& lengths, Stream stream) {
  ProxiedCall asked{.arguments = call,
                    .shape = shape_of(call.collective),
                    .what = {call.collective, call.type, call.op, call.root, reduction.scale,
                             reduction.integer_scale},
                    .record = record_of(call),
                    .rank = rank_,
                    .ranks = ranks_,
                    .is_listed = kernels::is_listed(call.collective),
                    .has_input = call.has_input(rank_),
                    .has_output = call.has_output(rank_)};
  asked.parts = parts_of_call(call, asked.shape, static_cast<std::uint64_t>(ranks_));
  kernels::BlockLists lists;
  if (asked.is_listed) lists = lists_of(lengths);
  auto* strand = reinterpret_cast<Strand*>(memory_.get());
  ProxyPlaces places = proxy_->places();
  void* arguments[] = {&strand, &places, &asked, &lists};
  SLUICE_TRY(device::launch(kernels::proxied(), 1, kernels::kThreads, arguments, stream));
  return std::string_view("proxied");
}

void DevicePart::abort() {
  port::store_release(&pinned().abort_word, 1);
  if (proxy_ != nullptr) proxy_->abort();
}

void DevicePart::stop() {
  if (proxy_ != nullptr) proxy_->stop();
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
    auto ran = enqueue(call, {}, lengths, stream);
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

Result<std::string_view> DevicePart::enqueue(const Call& call, const Reached& reached,
                                             const BlockLengths& lengths, Stream stream) {
  const HostEntry& entry = selection_.choose(call.collective, call.message_bytes(), reached.access);
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
                      .shows_buffers = entry.needs >= Needs::kReach,
                      .input_place = reached.input,
                      .output_place = reached.output};
  if (reached.input.region != 0) {
    launched.words.words[0] |= kInRegisteredMemory;
    launched.record |= kInRegisteredMemory;
  }
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
  const bool is_operation = failure.epoch != 0;
  const std::string me = fmt::format("rank {} of {} on device {}, {}", rank_, ranks_, device_,
                                     is_operation ? describe(failure.own) : message_text(failure));
  const int peer = failure.why.peer;
  if (failure.why.outcome == WaitOutcome::kUnreachable)
    return fmt::format("{}: rank {} uses registered memory {}, which is not there any more", me,
                       peer, failure.why.seen);
  if (failure.why.outcome == WaitOutcome::kWrongSize)
    return fmt::format("{}: expected {} bytes from rank {}, found {}", me, failure.why.expected,
                       peer, failure.why.seen);
  if (failure.why.outcome == WaitOutcome::kMismatch &&
      (is_message(failure.why.expected) || is_message(failure.why.seen)))
    return fmt::format("{}: expected {} from rank {}, found {}", me,
                       kind_text(failure.why.expected), peer, kind_text(failure.why.seen));
  if (is_mismatch(failure))
    return fmt::format("calls do not match: rank {} called {}, rank {} called {}", rank_,
                       describe(failure.own), peer, describe(failure.theirs));
  const auto whereabouts = [&]() -> std::string {
    if (!is_operation) return "has not done its part";
    if (failure.peer_started == 0) return "has not called a collective on a device yet";
    if (failure.peer_started >= kOut) return "has met an error";
    if (failure.theirs.epoch == 0) return "is elsewhere";
    return fmt::format("last began {}", describe(failure.theirs));
  };
  if (failure.why.outcome == WaitOutcome::kAborted) return fmt::format("{}: aborted", me);
  if (!is_operation && is_signal_wait(failure.own.call))
    return fmt::format("{}: waited for rank {}: expected {} of its signals in all, found {}", me,
                       peer, failure.why.expected, failure.why.seen);
  return fmt::format("{}: waited for rank {}, which {} (strand {}: expected {:#x}, saw {:#x})", me,
                     peer, whereabouts(), failure.strand, failure.why.expected, failure.why.seen);
}

bool DevicePart::is_mismatch(const StrandFailure& failure) {
  if (failure.why.outcome == WaitOutcome::kMismatch &&
      (is_message(failure.why.expected) || is_message(failure.why.seen)))
    return true;
  return failure.why.outcome != WaitOutcome::kAborted && failure.theirs.epoch != 0 &&
         failure.own.epoch == failure.theirs.epoch &&
         failure.own.signature != failure.theirs.signature;
}

}  // namespace sluice
