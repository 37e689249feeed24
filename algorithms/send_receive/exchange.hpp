// Point-to-point messages over links, any number at once.
//
// Every transfer gets its turn in each round and does what it can without waiting, so no order of
// sends and receives on the ranks can dead-lock. Transfers of one direction with one peer keep
// their order. The group's first thread decides what is done next; all of them move the bytes.
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
  std::uint64_t message_bytes = bytes;  // more where several groups each move a part of a message
  std::uint64_t kind = 0;               // what both sides say the message is; must agree
  std::uint64_t moved = 0;              // bytes that have come or gone
  std::uint64_t wait_number = 0;  // sending by address: the fragment that the receiver must take
};

/// From this size on a message that the receiver can fetch is fetched.
inline constexpr std::uint64_t kFetchBytes = 16 * 1024;

/// What a group does next.
struct LinkStep {
  enum class What : std::uint32_t {
    kNothing,  // can be done now
    kNoted,    // something came or went, and there is nothing to move
    kPut,
    kPutAddress,
    kTake,
    kFetch,
    kEnd,  // all is done, or a wait has failed
  };
  What what = What::kNothing;
  LinkTransfer* transfer = nullptr;
  std::byte* own = nullptr;  // the transfer's data, as far as it has not moved
  std::uint64_t theirs = 0;  // kTake: where the fragment is; kFetch: the peer's data
  std::uint64_t length = 0;
};

/// What can be done of a send now.
template <class Fabric>
SLUICE_FN LinkStep next_of_send(const Fabric& fabric, LinkTransfer& transfer) {
  using What = LinkStep::What;
  if (transfer.wait_number != 0) {
    transfer.done = fabric.taken(transfer.peer, transfer.wait_number);
    return {.what = transfer.done ? What::kNoted : What::kNothing};
  }
  const std::uint64_t length = fabric.fragment(transfer.bytes, transfer.moved);
  if (!fabric.has_credit(transfer.peer, length)) return {};
  const bool fetched = transfer.bytes >= kFetchBytes && fabric.can_fetch(transfer.peer);
  return {.what = fetched ? What::kPutAddress : What::kPut,
          .transfer = &transfer,
          .own = transfer.data + transfer.moved,
          .length = fetched ? 0 : length};
}

/// What can be done of a receive now.
template <class Fabric>
SLUICE_FN LinkStep next_of_receive(const Fabric& fabric, LinkTransfer& transfer) {
  using What = LinkStep::What;
  const LinkSlot* slot = fabric.next_incoming(transfer.peer);
  if (slot == nullptr) return {};
  if (slot->kind != transfer.kind) {
    record_failure(fabric.waits(), WaitOutcome::kMismatch, transfer.peer, transfer.kind,
                   slot->kind);
  } else if (slot->bytes != transfer.message_bytes) {
    record_failure(fabric.waits(), WaitOutcome::kWrongSize, transfer.peer, transfer.message_bytes,
                   slot->bytes);
  }
  const std::uint64_t address = fabric.address_in(*slot, transfer.peer);
  const bool fetches = address != 0 && transfer.bytes != 0;
  if (fetches && fabric.is_out(transfer.peer))  // its caller may have freed the buffer
    record_failure(fabric.waits(), WaitOutcome::kMismatch, transfer.peer, 0, 0);
  if (fabric.failed()) return {.what = What::kEnd};
  LinkStep step{.what = What::kFetch,
                .transfer = &transfer,
                .own = transfer.data + transfer.moved,
                .theirs = address,
                .length = transfer.bytes};
  if (!fetches) {
    step.what = What::kTake;
    step.theirs = reinterpret_cast<std::uint64_t>(
        fabric.payload(transfer.peer, *slot, transfer.message_bytes));
    step.length = fabric.fragment(transfer.bytes, transfer.moved);
  }
  return step;
}

/// The turns of the transfers, for a group's first thread.
template <class Fabric>
class ExchangeRounds {
 public:
  SLUICE_FN ExchangeRounds(Fabric& fabric, LinkTransfer* transfers, std::uint64_t count)
      : fabric_(fabric),
        transfers_(transfers),
        count_(count),
        next_(count),
        patience_(fabric.waits(), count == 0 ? 0 : transfers[0].peer) {}

  /// What comes next; waits for it.
  SLUICE_FN LinkStep next() {
    for (;;) {
      if (next_ == count_ && !begin_round()) return {.what = LinkStep::What::kEnd};
      while (next_ < count_) {
        const LinkStep step = turn_of(transfers_[next_++]);
        if (step.what == LinkStep::What::kNothing) continue;
        moved_ = true;
        if (step.what != LinkStep::What::kNoted) return step;
      }
    }
  }

  /// That the step has been done.
  SLUICE_FN void note(const LinkStep& step) {
    LinkTransfer& transfer = *step.transfer;
    if (step.what == LinkStep::What::kPutAddress) {
      transfer.wait_number = fabric_.peer(transfer.peer).sent;
      return;
    }
    transfer.moved += step.length;
    transfer.done = transfer.moved == transfer.bytes;
  }

 private:
  SLUICE_FN LinkStep turn_of(LinkTransfer& transfer) {
    std::uint64_t& turn = fabric_.peer(transfer.peer).turn[transfer.sending ? 0 : 1];
    if (transfer.done || turn == round_) return {};  // an earlier transfer of the pair comes first
    turn = round_;
    return transfer.sending ? next_of_send(fabric_, transfer) : next_of_receive(fabric_, transfer);
  }

  /// False when there is nothing more to do. Rests a little when the last one moved nothing.
  SLUICE_FN bool begin_round() {
    while (first_open_ < count_ && transfers_[first_open_].done) ++first_open_;
    if (first_open_ == count_) return false;
    const LinkTransfer& oldest = transfers_[first_open_];
    if (moved_) {
      idle_rounds_ = 0;
      patience_.progress(oldest.peer);
    } else if (++idle_rounds_ < fabric_.waits().spins && fabric_.waits().take_in == nullptr) {
      port::pause();
    } else if (oldest.sending) {
      const std::uint64_t target =
          oldest.wait_number != 0
              ? oldest.wait_number
              : fabric_.credit_for_next(oldest.peer, fabric_.fragment(oldest.bytes, oldest.moved));
      patience_.rest(fabric_.credit_word(oldest.peer), target);
    } else {
      patience_.rest(fabric_.incoming_word(oldest.peer), fabric_.peer(oldest.peer).received + 1);
    }
    if (fabric_.failed()) return false;
    next_ = first_open_;
    round_ = fabric_.next_round();
    moved_ = false;
    return true;
  }

  Fabric& fabric_;
  LinkTransfer* transfers_;
  std::uint64_t count_;
  std::uint64_t next_;            // whose turn it is; count_: a round has ended
  std::uint64_t first_open_ = 0;  // all before it are done
  std::uint64_t round_ = 0;
  std::uint32_t idle_rounds_ = 0;
  bool moved_ = true;
  OwnPatience patience_;
};

/// Moves the bytes of a step; by all threads. Ends with a barrier.
template <ThreadGroup Group, class Fabric>
SLUICE_FN void move_bytes(const Group& group, Fabric& fabric, const LinkStep& step) {
  const LinkTransfer& transfer = *step.transfer;
  switch (step.what) {
    case LinkStep::What::kPut:
      return fabric.put_fragment(group, transfer.peer, step.own, step.length,
                                 transfer.message_bytes, transfer.kind);
    case LinkStep::What::kPutAddress:
      return fabric.put_address(group, transfer.peer, step.own, transfer.message_bytes,
                                transfer.kind);
    case LinkStep::What::kTake:
      copy(group, step.own, reinterpret_cast<const std::byte*>(step.theirs), step.length);
      return fabric.take_fragment(group, transfer.peer);
    case LinkStep::What::kFetch:
      fabric.fetch(group, transfer.peer, step.theirs, step.own, step.length);
      return fabric.take_fragment(group, transfer.peer);
    default: return;
  }
}

/// Runs `count` transfers with other ranks to their end (or to the first failure). `step`: where
/// all threads of the group look.
template <ThreadGroup Group, class Fabric>
SLUICE_FN void exchange(const Group& group, Fabric& fabric, LinkTransfer* transfers,
                        std::uint64_t count, LinkStep& step) {
  ExchangeRounds<Fabric> rounds(fabric, transfers, count);
  for (;;) {
    if (group.rank() == 0) step = rounds.next();
    group.sync();
    const LinkStep now = step;  // the first thread writes it again behind the next barrier
    if (now.what == LinkStep::What::kEnd) return;
    move_bytes(group, fabric, now);
    if (group.rank() == 0) rounds.note(now);
  }
}

}  // namespace sluice
