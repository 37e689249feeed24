// Links: messages between two ranks through a ring of slots in the receiver's segment. They ask for
// nothing but puts and signals, so schedules over links run on every transport.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/rank_view.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

class Links : public RankView {
 public:
  using RankView::RankView;

  /// Sends `bytes` to `to`. Blocks when kLinkSlots fragments are under way, so when two ranks send
  /// to each other before either receives, keep `bytes` <= kPieceBytes.
  static constexpr std::uint64_t kPieceBytes = 2 * LinkSlot::kDataBytes;
  template <ThreadGroup Group>
  SLUICE_FN void send(const Group& group, std::int32_t to, const std::byte* source,
                      std::uint64_t bytes) {
    FabricPeer& link = peer(to);
    for (std::uint64_t offset = 0; offset < bytes; offset += LinkSlot::kDataBytes) {
      if (group.rank() == 0 && link.sent >= kLinkSlots)
        wait_at_least(*parts_.waits, &credit(rank(), to).consumed, link.sent + 1 - kLinkSlots, to);
      group.sync();
      if (failed()) return;
      LinkSlot& slot = link_slot(to, rank(), link.sent);
      copy(group, payload(slot, bytes), source + offset, fragment(bytes, offset));
      post_fragment(group, slot, to, bytes, signature_, 0);
    }
  }

  /// Receives `bytes` from `from` and hands each fragment to consume(offset, data, fragment_bytes).
  template <ThreadGroup Group, class Consume>
  SLUICE_FN void receive(const Group& group, std::int32_t from, std::uint64_t bytes,
                         Consume consume) {
    for (std::uint64_t offset = 0; offset < bytes; offset += LinkSlot::kDataBytes) {
      const LinkSlot& slot = link_slot(rank(), from, peer(from).received);
      if (group.rank() == 0 && wait_at_least(*parts_.waits, &slot.tag, peer(from).received + 1,
                                             from) > peer(from).received) {
        if (slot.kind != signature_ || slot.bytes != bytes)
          record_failure(*parts_.waits, WaitOutcome::kMismatch, from, signature_, slot.kind);
      }
      group.sync();
      if (failed()) return;
      consume(offset, payload(slot, bytes), fragment(bytes, offset));
      take_fragment(group, from);
    }
  }

  /// receive() into `destination`.
  template <ThreadGroup Group>
  SLUICE_FN void receive_copy(const Group& group, std::int32_t from, std::byte* destination,
                              std::uint64_t bytes) {
    receive(group, from, bytes,
            [&](std::uint64_t offset, const std::byte* data, std::uint64_t length) {
              copy(group, destination + offset, data, length);
            });
  }

  /// destination = received op own, or own op received when `own_first`; the order fixes the bits.
  template <ThreadGroup Group, class Arithmetic>
  SLUICE_FN void receive_reduce(const Group& group, const Arithmetic& arithmetic, std::int32_t from,
                                const std::byte* own, std::byte* destination, std::uint64_t bytes,
                                bool own_first, bool last = false) {
    receive(group, from, bytes,
            [&](std::uint64_t offset, const std::byte* data, std::uint64_t length) {
              const void* operands[2] = {own_first ? own + offset : data,
                                         own_first ? data : own + offset};
              void* to[1] = {destination + offset};
              arithmetic.reduce(group, to, 1, operands, 2, length, last, 0);
            });
  }

  // The pieces of a link, for exchange() in algorithms/send_receive, which drives many links at
  // once.

  /// Whether send() of a fragment to `to` would not wait.
  SLUICE_FN bool has_credit(std::int32_t to) const {
    return peer(to).sent < kLinkSlots ||
           port::load_acquire(&credit(rank(), to).consumed) >= peer(to).sent + 1 - kLinkSlots;
  }
  /// Whether `to` has taken fragment `number` (peer(to).sent after it was posted).
  SLUICE_FN bool taken(std::int32_t to, std::uint64_t number) const {
    return port::load_acquire(&credit(rank(), to).consumed) >= number;
  }
  /// A number that no earlier round of exchange() had.
  SLUICE_FN std::uint64_t next_round() { return ++rounds_; }
  /// The word that has_credit(), taken() or next_incoming() looks at.
  SLUICE_FN const std::uint64_t* credit_word(std::int32_t to) const {
    return &credit(rank(), to).consumed;
  }
  SLUICE_FN const std::uint64_t* incoming_word(std::int32_t from) const {
    return &link_slot(rank(), from, peer(from).received).tag;
  }
  /// Where in a slot the data of a message of `message_bytes` is.
  SLUICE_FN static std::byte* payload(LinkSlot& slot, std::uint64_t message_bytes) {
    return message_bytes <= LinkSlot::kShortBytes ? slot.short_data : slot.data;
  }
  SLUICE_FN static const std::byte* payload(const LinkSlot& slot, std::uint64_t message_bytes) {
    return message_bytes <= LinkSlot::kShortBytes ? slot.short_data : slot.data;
  }
  /// How much of a message of `bytes` the fragment at `offset` carries.
  SLUICE_FN static std::uint64_t fragment(std::uint64_t bytes, std::uint64_t offset) {
    return bytes - offset < LinkSlot::kDataBytes ? bytes - offset : LinkSlot::kDataBytes;
  }
  SLUICE_FN LinkSlot& next_outgoing(std::int32_t to) const {
    return link_slot(to, rank(), peer(to).sent);
  }
  /// The next fragment from `from`, or nullptr when it is not there yet.
  SLUICE_FN const LinkSlot* next_incoming(std::int32_t from) const {
    const LinkSlot& slot = link_slot(rank(), from, peer(from).received);
    return port::load_acquire(&slot.tag) > peer(from).received ? &slot : nullptr;
  }
  template <ThreadGroup Group>
  SLUICE_FN void post_fragment(const Group& group, LinkSlot& slot, std::int32_t to,
                               std::uint64_t message_bytes, std::uint64_t kind,
                               std::uint64_t source) {
    group.sync();
    if (group.rank() != 0) return;
    ++peer(to).sent;
    slot.bytes = message_bytes;
    slot.kind = kind;
    slot.source = source;
    port::store_release(&slot.tag, peer(to).sent);  // pairs with receive() and next_incoming()
    wake();
  }
  template <ThreadGroup Group>
  SLUICE_FN void take_fragment(const Group& group, std::int32_t from) {
    group.sync();
    if (group.rank() != 0) return;
    ++peer(from).received;
    port::store_release(&credit(from, rank()).consumed,
                        peer(from).received);  // pairs with send()'s wait
    wake();
  }

 protected:
  std::uint64_t signature_ = 0;  // of the operation in flight

 private:
  SLUICE_FN LinkSlot& link_slot(std::int32_t owner, std::int32_t source,
                                std::uint64_t number) const {
    return *reinterpret_cast<LinkSlot*>(
        peer(owner).segment +
        layout_.link_slot(static_cast<std::uint64_t>(source), number % kLinkSlots));
  }
  SLUICE_FN Credit& credit(std::int32_t owner, std::int32_t receiver) const {
    return *reinterpret_cast<Credit*>(peer(owner).segment +
                                      layout_.credit(static_cast<std::uint64_t>(receiver)));
  }

  std::uint64_t rounds_ = 0;
};

}  // namespace sluice
