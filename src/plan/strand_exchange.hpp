// One strand's part of messages, as a block of a kernel moves it. A message is cut into parts of
// its own, one a strand, by its length alone: so the two ranks agree on the cut, whatever else each
// of them sends in the same call.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/blocks.hpp"
#include "algorithms/send_receive/exchange.hpp"
#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/signature.hpp"
#include "plan/strand.hpp"
#include "sluice/types.hpp"

namespace sluice {

/// A strand has so much to do at the least: less is done before the others have begun.
inline constexpr std::uint64_t kBytesOfStrand = 16 * 1024;
/// Transfers of a call at most.
inline constexpr std::uint64_t kMostTransfers = 1024;

/// One transfer of a call. A message of a rank to itself is two: the send, and behind it the
/// receive.
struct ListedTransfer {
  std::byte* data = nullptr;  // read only when sending
  std::uint64_t bytes = 0;
  std::int32_t peer = 0;
  bool sending = false;
  DataType type = DataType::kUint8;
  std::uint16_t turn = 0;  // between hosts: how many of the pair's, in its direction, come before
};

/// What a launch says of a call: the same at every replay of a graph.
struct ExchangeCall {
  std::uint32_t count = 0;     // of transfers
  bool is_collective = false;  // takes its place in the order of collectives, in the first strand
  CallWords words{};           // of a collective's signature
  std::uint64_t record = 0;    // OperationRecord::call
};

/// Into so many parts a message is cut, where a rank has `strands`.
SLUICE_FN constexpr std::uint64_t parts_of_message(std::uint64_t bytes, std::uint64_t strands) {
  const std::uint64_t worth = bytes / kBytesOfStrand + (bytes % kBytesOfStrand != 0 ? 1 : 0);
  return worth < 1 ? 1 : worth < strands ? worth : strands;
}

/// The strand's part, of whole lines but at the end; none of its bytes where it has none.
SLUICE_FN Range part_of_message(std::uint64_t bytes, std::uint64_t strand, std::uint64_t strands) {
  const std::uint64_t parts = parts_of_message(bytes, strands);
  return strand < parts ? Blocks::cut(bytes, 1, parts)[static_cast<std::int32_t>(strand)] : Range{};
}

/// The strand's parts of the listed transfers as exchange() wants them; by all threads.
template <ThreadGroup Group>
SLUICE_FN void take_parts(const Group& group, Strand& strand, const ListedTransfer* listed,
                          const ExchangeCall& call) {
  const auto index = static_cast<std::uint64_t>(strand.index);
  const auto strands = static_cast<std::uint64_t>(strand.count);
  for (std::uint32_t i = group.rank(); i < call.count; i += group.size()) {
    const ListedTransfer& whole = listed[i];
    const Range part = part_of_message(whole.bytes, index, strands);
    LinkTransfer& mine = strand.messages.under_way[i];
    mine = {.peer = whole.peer,
            .sending = whole.sending,
            // The first strand also moves a message of nothing.
            .done = whole.peer == strand.fabric.rank() || (part.bytes == 0 && index != 0),
            .data = whole.data + part.offset,
            .bytes = part.bytes,
            .message_bytes = whole.bytes,
            .kind = message_kind(whole.type)};
    if (call.is_collective) mine.kind = index == 0 ? strand.fabric.signature() : call.record;
  }
}

/// The strand's parts of what `rank`, which is its own, sends to itself; by all threads.
template <ThreadGroup Group>
SLUICE_FN void copy_own(const Group& group, std::int32_t rank, const Strand& strand,
                        const ListedTransfer* listed, std::uint32_t count) {
  for (std::uint32_t i = 0; i + 1 < count; ++i) {
    const ListedTransfer& from = listed[i];
    if (from.peer != rank || !from.sending) continue;
    const Range part = part_of_message(from.bytes, static_cast<std::uint64_t>(strand.index),
                                       static_cast<std::uint64_t>(strand.count));
    copy(group, listed[i + 1].data + part.offset, from.data + part.offset, part.bytes);
  }
}

/// Moves the strand's parts of the listed transfers; by all threads of `group`. A strand that has
/// failed does nothing any more.
template <ThreadGroup Group>
SLUICE_FN void run_exchange(const Group& group, Strand& strand, const ListedTransfer* listed,
                            const ExchangeCall& call) {
  Fabric& fabric = strand.fabric;
  const bool in_order = call.is_collective && strand.index == 0;
  const bool leads = group.rank() == 0 && !fabric.failed();
  if (leads && in_order)
    fabric.begin({.epoch = strand.next_epoch,
                  .signature = next_signature(fabric.signature(), call.words),
                  .count = 0,
                  .call = call.record,
                  .root = 0});
  if (!fabric.failed(group)) {
    take_parts(group, strand, listed, call);
    copy_own(group, fabric.rank(), strand, listed, call.count);
    group.sync();
    exchange(group, fabric, strand.messages.under_way, call.count, strand.messages.step);
  }
  group.sync();
  if (!leads) return;
  if (in_order) strand.next_epoch += fabric.end();
  if (fabric.failed()) give_up(strand, false, in_order ? 0 : call.record);
}

/// So many transfers travel with a launch. Of more, launches that only list go before.
inline constexpr std::uint32_t kTransfersOfLaunch = 128;

struct ExchangeLaunch {
  ExchangeCall call{};
  std::uint32_t strands = 0;  // 0: launched only to be loaded
  bool lists = false;         // only writes its transfers behind the first `first` of the list
  std::uint32_t first = 0;
  std::uint32_t count = 0;  // of the transfers here
  ListedTransfer transfers[kTransfersOfLaunch]{};
};

/// What block `block` of a launch does.
template <ThreadGroup Group>
SLUICE_FN void run_launch(const Group& group, Strand* strands, std::uint32_t block,
                          const ExchangeLaunch& launch) {
  if (block >= launch.strands) return;
  const Strand& first = strands[0];
  if (!launch.lists)
    return run_exchange(group, strands[block],
                        launch.count != 0 ? launch.transfers : first.messages.listed, launch.call);
  if (block != 0) return;
  for (std::uint32_t i = group.rank(); i < launch.count; i += group.size())
    first.messages.listed[launch.first + i] = launch.transfers[i];
}

}  // namespace sluice
