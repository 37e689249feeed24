// A collective among ranks on several hosts, as a kernel asks its host for it: the kernel copies a
// part of the input to memory that both reach, asks, waits, and fetches the result. docs/cuda.md
// says what it costs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/buffer_shape.hpp"
#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"
#include "plan/strand.hpp"
#include "sluice/algorithms.hpp"
#include "sluice/types.hpp"

namespace sluice {

/// What is asked for.
struct ProxyOperation {
  Collective collective = Collective::kBarrier;
  DataType type = DataType::kUint8;
  ReduceOp op = ReduceOp::kSum;
  std::int32_t root = 0;
  double scale = 1;  // of a pre-multiplied sum
  std::uint64_t integer_scale = 1;
};

/// A part of it.
struct ProxyRequest {
  static constexpr std::size_t kMostListed = 128;

  ProxyOperation what{};
  std::uint64_t count = 0;  // of elements: of the whole, or of each block; of messages: of pieces
  std::uint64_t counts[kMostListed] = {};  // a v-form's
  bool begins = false;                     // of messages: the first of the call
};

/// What goes of a message at once.
struct ProxyPiece {
  std::uint64_t staged = 0;  // where it is, or shall be, in the stage of its direction
  std::uint64_t bytes = 0;
  std::uint64_t message_bytes = 0;
  std::int32_t peer = 0;
  bool sending = false;
  DataType type = DataType::kUint8;
};

/// In pinned memory of the host; zero at the beginning.
struct ProxyDesk {
  alignas(kPollSpacing) std::uint64_t asked;  // number of the last request; released last
  ProxyRequest request;
  alignas(kPollSpacing) std::uint64_t answered;  // by the host
  std::uint64_t failed;  // by the host, before it: there are no more answers
};

/// Where a rank's kernels and its proxy meet.
struct ProxyPlaces {
  /// What a part may cover of an input or an output.
  static constexpr std::uint64_t kStageBytes = std::uint64_t{4} << 20;

  ProxyDesk* desk = nullptr;
  ProxyPiece* pieces = nullptr;  // of a request for messages: kMostTransfers
  std::byte* input = nullptr;    // kStageBytes each
  std::byte* output = nullptr;
};

/// What a launch says of a call: the same at every replay of a graph.
struct ProxiedCall {
  Arguments arguments{};
  BufferShape shape{};
  ProxyOperation what{};
  std::uint64_t record = 0;  // OperationRecord::call
  std::uint64_t parts = 0;   // 0: launched only to be loaded
  std::int32_t rank = 0;
  std::int32_t ranks = 1;
  bool is_listed = false;
  bool has_input = true;
  bool has_output = true;
};

/// Into so many parts a call is cut: the same on every rank.
constexpr std::uint64_t parts_of_call(const Arguments& call, const BufferShape& shape,
                                      std::uint64_t ranks) {
  const bool whole = shape.input == Extent::kWhole;
  const std::uint64_t longest = whole ? call.bytes() : call.blocks.largest();
  const std::uint64_t room =
      (whole ? ProxyPlaces::kStageBytes : ProxyPlaces::kStageBytes / ranks) / 64 * 64;
  return longest == 0 ? 1 : (longest - 1) / room + 1;
}

/// move(place in the buffer, place in the stage, bytes) for what a part covers of a buffer.
template <class Move>
SLUICE_FN void for_each_stretch(Extent extent, const Arguments& part, const ProxiedCall& call,
                                Move move) {
  std::uint64_t staged = 0;
  switch (extent) {
    case Extent::kNothing: return;
    case Extent::kWhole: return move(0, 0, part.bytes());
    case Extent::kBlock: return move(0, 0, part.blocks[call.rank].bytes);
    case Extent::kAllBlocks:
      for (std::int32_t r = 0; r < call.ranks; ++r) {
        const Range block = part.blocks[r];
        move(block.offset, staged, block.bytes);
        staged += block.bytes;
      }
  }
}

/// Asks the host for what the desk says, and waits; by one thread.
SLUICE_FN void ask(Strand& strand, ProxyDesk& desk, std::int32_t rank) {
  const std::uint64_t number = strand.next_epoch++;
  port::store_release(&desk.asked, number);  // pairs with DeviceProxy::serve()
  WaitState& waits = strand.fabric.waits();
  if (wait_at_least(waits, &desk.answered, number, rank) < number) return;
  if (port::load_relaxed(&desk.failed) != 0)
    record_failure(waits, WaitOutcome::kAborted, rank, number, number);
}

SLUICE_FN void ask_for_part(Strand& strand, ProxyDesk& desk, const ProxiedCall& call,
                            const Arguments& part) {
  desk.request.what = call.what;
  const std::uint64_t elem_bytes = part.elem_bytes;
  const bool whole = call.shape.input == Extent::kWhole;
  desk.request.count = whole ? part.count : part.blocks.largest() / elem_bytes;
  if (call.is_listed)
    for (std::int32_t r = 0; r < call.ranks; ++r)
      desk.request.counts[r] = part.blocks[r].bytes / elem_bytes;
  ask(strand, desk, call.rank);
}

/// A call through the host, by all threads of `group`. A strand that has failed does nothing.
template <ThreadGroup Group>
SLUICE_FN void run_proxied(const Group& group, Strand* own, const ProxyPlaces& places,
                           const ProxiedCall& call) {
  if (call.parts == 0) return;  // a launch that only loads the kernel has no strand either
  Strand& strand = *own;
  const bool leads = group.rank() == 0 && !strand.fabric.failed();
  for (std::uint64_t p = 0; p < call.parts; ++p) {
    if (strand.fabric.failed(group)) break;
    const Arguments part = strand_part(call.arguments, call.shape, call.rank, p, call.parts);
    if (call.has_input)
      for_each_stretch(call.shape.input, part, call,
                       [&](std::uint64_t at, std::uint64_t staged, std::uint64_t bytes) {
                         copy(group, places.input + staged, part.input + at, bytes);
                       });
    group.sync();
    if (group.rank() == 0) ask_for_part(strand, *places.desk, call, part);
    if (strand.fabric.failed(group)) break;
    if (call.has_output)
      for_each_stretch(call.shape.output, part, call,
                       [&](std::uint64_t at, std::uint64_t staged, std::uint64_t bytes) {
                         copy(group, part.output + at, places.output + staged, bytes);
                       });
    group.sync();
  }
  if (leads && strand.fabric.failed()) give_up(strand, false, call.record);
}

}  // namespace sluice
