// Point-to-point messages over links, any number at once.
//
// Every transfer gets its turn in each round and does what it can without waiting, so no order of
// sends and receives on the ranks can dead-lock. Transfers of one direction with one peer keep
// their order.
//
//   short and middling  the sender copies fragments into the link's slots, the receiver copies them
//   out large               the sender posts its address, the receiver fetches the data from there:
//   one copy
//
// Cost: alpha + 2 n beta through the slots, 2 alpha + n beta by fetching.
// Needs: links; fetching where the receiver reaches the sender's memory.
#pragma once

#include <cstdint>

#include "channel/fabric.hpp"
#include "channel/patience.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// One transfer under way.
struct LinkTransfer {
  std::int32_t peer = 0;
  bool sending = false;
  bool done = false;
  std::byte* data = nullptr;  // read only when sending
  std::uint64_t bytes = 0;
  std::uint64_t kind = 0;         // what both sides say the message is; must agree
  std::uint64_t moved = 0;        // bytes that have come or gone
  std::uint64_t wait_number = 0;  // sending by address: the fragment that the receiver must take
};

/// From this size on a message that the receiver can fetch is fetched.
inline constexpr std::uint64_t kFetchBytes = 16 * 1024;

/// Does what can be done of a send now; true if that was anything.
template <ThreadGroup Group, class Fabric>
bool advance_send(const Group& group, Fabric& fabric, LinkTransfer& transfer) {
  if (transfer.wait_number != 0)
    return transfer.done = fabric.taken(transfer.peer, transfer.wait_number);
  if (!fabric.has_credit(transfer.peer)) return false;
  if (transfer.bytes >= kFetchBytes && fabric.can_fetch(transfer.peer)) {
    fabric.put_address(group, transfer.peer, transfer.data, transfer.bytes, transfer.kind);
    transfer.wait_number = fabric.peer(transfer.peer).sent;
    return true;
  }
  const std::uint64_t length = fabric.fragment(transfer.bytes, transfer.moved);
  fabric.put_fragment(group, transfer.peer, transfer.data + transfer.moved, length, transfer.bytes,
                      transfer.kind);
  transfer.moved += length;
  transfer.done = transfer.moved == transfer.bytes;
  return true;
}

/// Does what can be done of a receive now; true if that was anything.
template <ThreadGroup Group, class Fabric>
bool advance_receive(const Group& group, Fabric& fabric, LinkTransfer& transfer) {
  const LinkSlot* slot = fabric.next_incoming(transfer.peer);
  if (slot == nullptr) return false;
  if (slot->kind != transfer.kind) {
    record_failure(fabric.waits(), WaitOutcome::kMismatch, transfer.peer, transfer.kind,
                   slot->kind);
  } else if (slot->bytes != transfer.bytes) {
    record_failure(fabric.waits(), WaitOutcome::kWrongSize, transfer.peer, transfer.bytes,
                   slot->bytes);
  }
  if (fabric.failed()) return false;
  std::uint64_t length = transfer.bytes;
  const std::uint64_t address = fabric.address_in(*slot, transfer.peer);
  if (address != 0 && transfer.bytes != 0) {
    if (fabric.is_out(transfer.peer)) {  // its caller may have freed the buffer
      record_failure(fabric.waits(), WaitOutcome::kMismatch, transfer.peer, 0, 0);
      return false;
    }
    fabric.fetch(group, transfer.peer, address, transfer.data, length);
  } else {
    length = fabric.fragment(transfer.bytes, transfer.moved);
    copy(group, transfer.data + transfer.moved,
         fabric.payload(transfer.peer, *slot, transfer.bytes), length);
  }
  fabric.take_fragment(group, transfer.peer);
  transfer.moved += length;
  transfer.done = transfer.moved == transfer.bytes;
  return true;
}

/// Runs `count` transfers with other ranks to their end (or to the first failure).
template <ThreadGroup Group, class Fabric>
void exchange(const Group& group, Fabric& fabric, LinkTransfer* transfers, std::uint64_t count) {
  std::uint64_t first_open = 0;
  std::uint32_t idle_rounds = 0;
  Patience patience(fabric.waits(), count == 0 ? 0 : transfers[0].peer);
  while (first_open < count && !fabric.failed()) {
    const std::uint64_t round = fabric.next_round();
    bool moved = false;
    for (std::uint64_t i = first_open; i < count; ++i) {
      LinkTransfer& transfer = transfers[i];
      std::uint64_t& turn = fabric.peer(transfer.peer).turn[transfer.sending ? 0 : 1];
      if (transfer.done || turn == round) continue;  // an earlier transfer of the pair comes first
      turn = round;
      moved |= transfer.sending ? advance_send(group, fabric, transfer)
                                : advance_receive(group, fabric, transfer);
    }
    while (first_open < count && transfers[first_open].done) ++first_open;
    if (first_open == count) return;
    const LinkTransfer& oldest = transfers[first_open];
    if (moved) {
      idle_rounds = 0;
      patience.progress(oldest.peer);
    } else if (++idle_rounds < fabric.waits().spins && fabric.waits().take_in == nullptr) {
      port::pause();
    } else if (oldest.sending) {
      const std::uint64_t target =
          oldest.wait_number != 0 ? oldest.wait_number : fabric.credit_for_next(oldest.peer);
      patience.rest(fabric.credit_word(oldest.peer), target);
    } else {
      patience.rest(fabric.incoming_word(oldest.peer), fabric.peer(oldest.peer).received + 1);
    }
  }
}

}  // namespace sluice
