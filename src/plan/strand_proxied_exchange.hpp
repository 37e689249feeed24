// Messages among ranks on several hosts, as a kernel asks its host for them: it copies what it
// sends to memory that both reach, asks, waits, and fetches what has come.
//
// In turns: in turn t go the t-th messages that each rank has for each other one. A turn goes in
// rounds: each of its messages in pieces of proxied_piece_bytes(), one a round. So the two ranks of
// a message agree on when each piece goes, whatever else either of them sends, and the pieces of a
// round fit the stage. All ranks take turns and rounds in the same order and skip none that a peer
// of theirs has a piece in: so the rank that is farthest behind always finds its peers there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/thread_group.hpp"
#include "plan/strand.hpp"
#include "plan/strand_exchange.hpp"
#include "plan/strand_proxied.hpp"

namespace sluice {

/// What a launch says of a call: the same at every replay of a graph.
struct ProxiedExchange {
  ExchangeLaunch list{};  // its transfers; of none here: those that were listed before it
  std::int32_t rank = 0;
  std::int32_t ranks = 1;
  std::uint32_t turns = 0;  // 0: only messages of the rank to itself
};

SLUICE_FN constexpr std::uint64_t proxied_piece_bytes(std::int32_t ranks) {
  return ProxyPlaces::kStageBytes / static_cast<std::uint64_t>(ranks) / 64 * 64;
}

/// Calls visit(transfer, piece, place in the stage of its direction) for what goes in a round;
/// returns whether the turn has another one.
template <class Visit>
SLUICE_FN bool for_each_piece(const ListedTransfer* listed, const ProxiedExchange& call,
                              std::uint32_t turn, std::uint64_t round, Visit visit) {
  const std::uint64_t most = proxied_piece_bytes(call.ranks);
  std::uint64_t staged[2] = {0, 0};
  bool more = false;
  for (std::uint32_t i = 0; i < call.list.call.count; ++i) {
    const ListedTransfer& transfer = listed[i];
    if (transfer.peer == call.rank || transfer.turn != turn) continue;
    if (round != 0 && round * most >= transfer.bytes) continue;
    std::uint64_t& place = staged[transfer.sending ? 0 : 1];
    visit(transfer, Range{0, transfer.bytes}.slice(round, most), place);
    place += most;
    more |= (round + 1) * most < transfer.bytes;
  }
  return more;
}

/// Asks the host for a round and waits; by one thread.
SLUICE_FN void ask_for_pieces(Strand& strand, const ProxyPlaces& places,
                              const ListedTransfer* listed, const ProxiedExchange& call,
                              std::uint32_t turn, std::uint64_t round) {
  std::uint64_t pieces = 0;
  for_each_piece(listed, call, turn, round,
                 [&](const ListedTransfer& transfer, const Range& piece, std::uint64_t place) {
                   places.pieces[pieces++] = {.staged = place,
                                              .bytes = piece.bytes,
                                              .message_bytes = transfer.bytes,
                                              .peer = transfer.peer,
                                              .sending = transfer.sending,
                                              .type = transfer.type};
                 });
  ProxyRequest& request = places.desk->request;
  const bool is_collective = call.list.call.is_collective;
  request.what.collective = is_collective ? Collective::kAllToAllV : Collective::kSendReceive;
  request.what.type = listed[0].type;
  request.begins = turn == 0 && round == 0;
  request.count = pieces;
  ask(strand, *places.desk, call.rank);
}

/// All rounds of a turn; by all threads of `group`.
template <ThreadGroup Group>
SLUICE_FN void run_turn(const Group& group, Strand& strand, const ProxyPlaces& places,
                        const ListedTransfer* listed, const ProxiedExchange& call,
                        std::uint32_t turn) {
  bool more = true;
  for (std::uint64_t round = 0; more && !strand.fabric.failed(group); ++round) {
    more = for_each_piece(
        listed, call, turn, round,
        [&](const ListedTransfer& transfer, const Range& piece, std::uint64_t place) {
          if (transfer.sending)
            copy(group, places.input + place, transfer.data + piece.offset, piece.bytes);
        });
    group.sync();
    if (group.rank() == 0) ask_for_pieces(strand, places, listed, call, turn, round);
    if (strand.fabric.failed(group)) return;
    for_each_piece(listed, call, turn, round,
                   [&](const ListedTransfer& transfer, const Range& piece, std::uint64_t place) {
                     if (!transfer.sending)
                       copy(group, transfer.data + piece.offset, places.output + place,
                            piece.bytes);
                   });
    group.sync();
  }
}

/// A call's messages through the host, by all threads of `group`. A strand that has failed does
/// nothing.
template <ThreadGroup Group>
SLUICE_FN void run_proxied_exchange(const Group& group, Strand* own, const ProxyPlaces& places,
                                    const ProxiedExchange& call) {
  if (call.list.call.count == 0)
    return;  // a launch that only loads the kernel has no strand either
  Strand& strand = *own;
  const ListedTransfer* listed =
      call.list.count != 0 ? call.list.transfers : strand.messages.listed;
  const bool leads = group.rank() == 0 && !strand.fabric.failed();
  if (!strand.fabric.failed(group))
    copy_own(group, call.rank, strand, listed, call.list.call.count);
  group.sync();
  for (std::uint32_t turn = 0; turn < call.turns; ++turn)
    run_turn(group, strand, places, listed, call, turn);
  if (leads && strand.fabric.failed()) give_up(strand, false, call.list.call.record);
}

}  // namespace sluice
