// One strand's part of an operation, as a block of a kernel runs it. docs/cuda.md says what strands
// are. Nothing here asks what machine it is on: the tests run it with groups of host threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/arguments.hpp"
#include "algorithms/buffer_shape.hpp"
#include "algorithms/send_receive/exchange.hpp"
#include "base/port.hpp"
#include "channel/fabric.hpp"
#include "channel/signature.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

/// Why a strand failed, the first one of its rank; in memory that the host reads.
struct StrandFailure {
  std::uint64_t written = 0;  // released last
  std::int32_t rank = 0;
  std::int32_t strand = 0;
  std::uint64_t epoch = 0;  // 0: it was no operation in the order of collectives, but a message
  WaitFailure why{};
  std::uint64_t peer_started = 0;  // what the one that was waited for said in kStarted
  // What they were asked to do: on a mismatch where they first differed, else the operation that
  // failed, and the one that the peer began last. Epoch 0: there is none; of a message own.call
  // says what it was of.
  OperationRecord own{};
  OperationRecord theirs{};
};

/// Memory that all ranks have registered: where that of each is in this process. By region, then by
/// rank; null where it is not.
struct RegionTable {
  static constexpr std::uint64_t kMost = 64;

  std::byte** bases = nullptr;
  std::uint64_t ranks = 0;

  SLUICE_FN std::byte* find(std::int32_t rank, const ExposedBuffer& buffer) const {
    if (buffer.region > kMost) return nullptr;
    std::byte* base = bases[(buffer.region - 1) * ranks + static_cast<std::uint64_t>(rank)];
    return base == nullptr ? nullptr : base + buffer.offset;
  }
};

/// What a strand moves messages with; plan/strand_exchange.hpp.
struct StrandMessages {
  struct ListedTransfer* listed = nullptr;  // of the rank: room for the transfers of a call
  LinkTransfer* under_way = nullptr;        // and for the strand's parts of them
  LinkStep step{};
};

/// What a strand keeps between operations, in memory that its threads can write. The strands of a
/// rank lie one behind the other.
struct Strand {
  Fabric fabric;
  std::uint64_t next_epoch = 1;
  std::int32_t index = 0;
  std::int32_t count = 1;
  StrandFailure* failure = nullptr;  // of the rank
  std::uint64_t reported = 0;        // in a rank's first strand: one of them has
  StrandMessages messages{};
  RegionTable regions{};

  SLUICE_FN Strand& sibling(std::int32_t strand) { return *(this + (strand - index)); }
};

/// A buffer's place in registered memory.
struct RegionPlace {
  std::uint64_t region = 0;  // from 1; 0: in none; or ExposedBuffer::kUnused
  std::uint64_t offset = 0;  // of the buffer there
};

/// What a launch says of a call: the same at every replay of a graph.
struct StrandCall {
  Arguments arguments{};  // the whole call's
  BufferShape shape{};
  CallWords words{};
  std::uint64_t record = 0;    // OperationRecord::call
  std::int32_t strands = 1;    // so many work on it: the first ones of each rank
  bool shows_buffers = false;  // the schedule works in the ranks' own buffers
  // Where input and output are in registered memory, if they are.
  RegionPlace input_place{}, output_place{};
};

/// Where a peer's buffer is: in registered memory, or at an address of this process.
struct KnownAddresses {
  const RegionTable& table;

  SLUICE_FN std::byte* operator()(std::int32_t peer, const ExposedBuffer& buffer) const {
    if (buffer.region != 0) return table.find(peer, buffer);
    return reinterpret_cast<std::byte*>(buffer.address);
  }
};

/// Where a peer's buffer is when the peer's addresses are this process's, too.
struct SameAddresses {
  SLUICE_FN std::byte* operator()(std::int32_t /*peer*/, const ExposedBuffer& buffer) const {
    return reinterpret_cast<std::byte*>(buffer.address);
  }
};

/// The part of rank `rank`'s call that strand `strand` of `strands` does. Parts begin at multiples
/// of 64 bytes of a buffer, or of each of its blocks; the last ones may be empty.
SLUICE_FN Arguments strand_part(const Arguments& whole, const BufferShape& shape, std::int32_t rank,
                                std::uint64_t strand, std::uint64_t strands) {
  Arguments part = whole;
  const auto advance = [](auto*& buffer, std::uint64_t bytes) {
    if (buffer != nullptr) buffer += bytes;  // a rank may not have it
  };
  if (shape.input == Extent::kWhole) {
    const Range range =
        Blocks::cut(whole.count, whole.elem_bytes, strands)[static_cast<std::int32_t>(strand)];
    part.count = range.bytes / whole.elem_bytes;
    advance(part.input, range.offset);
    advance(part.output, range.offset);
  } else if (shape.input != Extent::kNothing) {
    const std::uint64_t share = Blocks::cut(whole.blocks.largest(), 1, strands).largest();
    part.blocks = whole.blocks.sliced(strand, share);
    const std::uint64_t offset = part.blocks[rank].offset - whole.blocks[rank].offset;
    if (shape.input == Extent::kBlock) advance(part.input, offset);
    if (shape.output == Extent::kBlock) advance(part.output, offset);
  }
  return part;
}

/// Whether a buffer that its owner has in registered memory is not there any more.
SLUICE_FN bool is_lost(const ExposedBuffer& buffer, const std::byte* place) {
  return place == nullptr && buffer.region != 0 && buffer.region != ExposedBuffer::kUnused;
}

/// What a strand shows of a buffer: `part` of one that begins at `whole`.
SLUICE_FN ExposedBuffer shown(const RegionPlace& place, const std::byte* whole,
                              const std::byte* part) {
  return {reinterpret_cast<std::uint64_t>(part), place.region,
          place.offset + static_cast<std::uint64_t>(part - whole)};
}

/// Shows this rank's buffers to its peers and waits for theirs: also what says that all have come.
/// By one thread.
template <class Locate>
SLUICE_FN void meet(Fabric& fabric, const StrandCall& call, const Arguments& part,
                    const Locate& locate) {
  fabric.expose(shown(call.input_place, call.arguments.input, part.input),
                shown(call.output_place, call.arguments.output, part.output));
  for (std::int32_t i = 1; i < fabric.size(); ++i) {
    const std::int32_t r = fabric.neighbour(i);
    const Exposure* theirs = fabric.wait_exposed(r);
    if (theirs == nullptr) return;
    fabric.peer(r).exposed[0] = locate(r, theirs->input);
    fabric.peer(r).exposed[1] = locate(r, theirs->output);
    for (const ExposedBuffer* buffer : {&theirs->input, &theirs->output})
      if (is_lost(*buffer, locate(r, *buffer)))
        return record_failure(fabric.waits(), WaitOutcome::kUnreachable, r, 0, buffer->region);
  }
}

/// Fills in what the two sides of a failed wait were asked to do.
SLUICE_FN void compare_calls(const Fabric& fabric, StrandFailure& report) {
  const std::int32_t peer = report.why.peer;
  report.own = fabric.record(fabric.rank(), report.epoch);
  if (peer < 0 || peer >= fabric.size()) return;
  report.peer_started = fabric.started(peer);
  if (report.why.outcome != WaitOutcome::kMismatch) {
    if (report.peer_started != 0 && report.peer_started < kOut)
      report.theirs = fabric.record(peer, report.peer_started);
    return;
  }
  const std::uint64_t oldest = report.epoch < kRecords ? 1 : report.epoch - kRecords + 1;
  for (std::uint64_t epoch = oldest; epoch <= report.epoch; ++epoch) {
    const OperationRecord mine = fabric.record(fabric.rank(), epoch);
    const OperationRecord theirs = fabric.record(peer, epoch);
    if (mine.epoch != epoch || theirs.epoch != epoch || mine.signature == theirs.signature)
      continue;
    report.own = mine;
    report.theirs = theirs;
    return;
  }
}

/// Tells the host, and the other strands of this rank, which it shall not wait for. `message`: what
/// failed is no operation of the fabric's but of this, an OperationRecord::call; else 0.
SLUICE_FN void report_failure(Strand& strand, std::uint64_t message) {
  if (!port::claim(&strand.sibling(0).reported)) return;
  StrandFailure& report = *strand.failure;
  report.rank = strand.fabric.rank();
  report.strand = strand.index;
  report.why = strand.fabric.waits().failure;
  if (message != 0) {
    report.own.call = message;
  } else {
    report.epoch = strand.fabric.epoch();
    compare_calls(strand.fabric, report);
  }
  port::store_release(&report.written, 1);
  for (std::int32_t s = 0; s < strand.count; ++s)
    port::store_relaxed(&strand.sibling(s).fabric.waits().abort_word, 1);
}

/// Whether `peer` may be reading or writing the buffers that this rank has shown in operation
/// `epoch`.
SLUICE_FN bool may_touch(const Fabric& fabric, std::int32_t peer, std::uint64_t epoch) {
  return peer != fabric.rank() && fabric.started(peer) == epoch && !fabric.is_done(peer, epoch);
}

/// After a failure, by one thread: says why, and that this strand is out. Whoever launched it may
/// free its buffers when it ends, so peers get a second to be done with those.
SLUICE_FN void give_up(Strand& strand, bool showed_buffers, std::uint64_t message = 0) {
  constexpr std::uint64_t kGraceNs = 1'000'000'000;
  report_failure(strand, message);
  Fabric& fabric = strand.fabric;
  const std::uint64_t epoch = fabric.epoch();
  fabric.leave(kOut);
  if (!showed_buffers) return;
  const std::uint64_t begin = port::now_ns();
  for (std::int32_t r = 0; r < fabric.size(); ++r)
    while (may_touch(fabric, r, epoch) && port::now_ns() - begin < kGraceNs) port::pause();
}

/// Runs `schedule` on the strand's part of `call`; by all threads of `group`. A strand that has
/// failed does nothing any more.
template <ThreadGroup Group, class Schedule, class Math, class Locate>
SLUICE_FN void run_strand(const Group& group, Strand& strand, const Schedule& schedule,
                          const Math& math, const StrandCall& call, const Locate& locate) {
  Fabric& fabric = strand.fabric;
  const Arguments part = strand_part(call.arguments, call.shape, fabric.rank(),
                                     static_cast<std::uint64_t>(strand.index),
                                     static_cast<std::uint64_t>(call.strands));
  const bool leads = group.rank() == 0 && !fabric.failed();
  if (leads) {
    fabric.begin({.epoch = strand.next_epoch,
                  .signature = next_signature(fabric.signature(), call.words),
                  .count = call.arguments.count,
                  .call = call.record,
                  .root = static_cast<std::uint64_t>(call.arguments.root)});
    if (call.shows_buffers) meet(fabric, call, part, locate);
  }
  if (!fabric.failed(group)) schedule(group, fabric, math, part);
  group.sync();
  if (!leads) return;
  strand.next_epoch += fabric.end();
  if (fabric.failed()) give_up(strand, call.shows_buffers);
}

}  // namespace sluice
