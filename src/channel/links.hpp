// Links: messages between two ranks through a ring of slots in the receiver's segment. They ask for
// nothing but puts and signals, so schedules over links run on every transport: where the segment
// is mapped, the sender stores into it; across a port the same words travel as one write.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/expected_fragments.hpp"
#include "channel/rank_view.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

class Links : public RankView {
 public:
  using RankView::RankView;

  /// What a fragment carries at most.
  SLUICE_FN std::uint64_t slot_bytes() const { return layout_.links.slot_bytes; }
  /// What a rank may send to another, and that to it, before either receives.
  SLUICE_FN std::uint64_t piece_bytes() const { return layout_.links.piece_bytes; }
  /// For schedules that go on sending while they wait for what came before: so many slices of so
  /// many bytes may be under way to a rank before it receives any.
  SLUICE_FN std::uint64_t slice_bytes() const { return piece_bytes() / 2; }
  SLUICE_FN std::uint64_t slices_under_way() const { return slices_under_way(layout_.links); }
  SLUICE_FN static constexpr std::uint64_t slices_under_way(const LinkShape& shape) {
    // A third of the window is for fragments that were taken and whose credit is on its way.
    return shape.window_bytes * 2 / 3 / (shape.piece_bytes / 2);
  }
  /// Room for a piece, and for as many slices as are under way.
  SLUICE_FN static constexpr std::uint64_t scratch_bytes(const LinkShape& shape) {
    const std::uint64_t slices = slices_under_way(shape) * (shape.piece_bytes / 2);
    return slices > shape.piece_bytes ? slices : shape.piece_bytes;
  }

  /// Sends `bytes` to `to`. Blocks when the window is full, so when two ranks send to each other
  /// before either receives, keep `bytes` <= piece_bytes().
  template <ThreadGroup Group>
  SLUICE_FN void send(const Group& group, std::int32_t to, const std::byte* source,
                      std::uint64_t bytes) {
    for (std::uint64_t offset = 0; offset < bytes; offset += slot_bytes()) {
      const std::uint64_t length = fragment(bytes, offset);
      if (group.rank() == 0)
        if (const std::uint64_t credited = credit_for_next(to, length); credited != 0)
          wait_for_word(&credit(rank(), to).consumed, credited, to);
      if (failed(group)) return;
      put_fragment(group, to, source + offset, length, bytes, signature_);
    }
  }

  /// Receives `bytes` from `from` and hands each fragment to consume(offset, data, fragment_bytes).
  template <ThreadGroup Group, class Consume>
  SLUICE_FN void receive(const Group& group, std::int32_t from, std::uint64_t bytes,
                         Consume consume) {
    for (std::uint64_t offset = 0; offset < bytes; offset += slot_bytes()) {
      const std::byte* data = await_fragment(group, from, bytes);
      if (failed(group)) return;
      consume(offset, data, fragment(bytes, offset));
      take_fragment(group, from);
    }
  }

  /// Waits for the next fragment from `from`, of a message of `message_bytes`, and returns where
  /// its data is until take_fragment(). For schedules that need several ranks' at once.
  template <ThreadGroup Group>
  SLUICE_FN const std::byte* await_fragment(const Group& group, std::int32_t from,
                                            std::uint64_t message_bytes) {
    const LinkSlot* slot = nullptr;
    if (group.rank() == 0) {
      slot = &link_slot(rank(), from, peer(from).received);
      if (wait_for_word(&slot->tag, peer(from).received + 1, from) > peer(from).received &&
          (slot->kind != signature_ || slot->bytes != message_bytes))
        record_mismatch(from, signature_, slot->kind);
#if defined(SLUICE_HOST)
      ExpectedFragments* const expected = peer(from).expected;
      if (expected != nullptr && !failed() && !expected->settle(peer(from).received))
        record_mismatch(from, signature_, slot->kind);
#endif
    }
    group.sync();
    // Before the barrier the first thread may still be counting the fragment before this one.
    if (group.rank() != 0) slot = &link_slot(rank(), from, peer(from).received);
    return payload(from, *slot, message_bytes);
  }

  /// Says that the next message from `from` that was not expected yet will be received by
  /// receive_copy() into `destination`: what comes from now on may come there at once. From the
  /// first that an operation expects of a rank it must expect all, and receive them in that order;
  /// until then it neither reads `destination` nor writes there.
  template <ThreadGroup Group>
  SLUICE_FN void expect(const Group& group, std::int32_t from, std::byte* destination,
                        std::uint64_t bytes) {
#if defined(SLUICE_HOST)
    const FabricPeer& link = peer(from);
    if (group.rank() == 0 && link.expected != nullptr && !failed())
      link.expected->expect(link.received, destination, bytes, signature_);
#endif
  }

  /// receive() into `destination`.
  template <ThreadGroup Group>
  SLUICE_FN void receive_copy(const Group& group, std::int32_t from, std::byte* destination,
                              std::uint64_t bytes, bool streaming = false) {
    receive(group, from, bytes,
            [&](std::uint64_t offset, const std::byte* data, std::uint64_t length) {
              copy(group, destination + offset, data, length, streaming);
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

  /// Whether send() of a fragment of `bytes` to `to` would not wait.
  SLUICE_FN bool has_credit(std::int32_t to, std::uint64_t bytes) const {
    const std::uint64_t credited = credit_for_next(to, bytes);
    return credited == 0 || port::load_acquire(&credit(rank(), to).consumed) >= credited;
  }
  /// What the credit word must say before a fragment of `bytes`.
  SLUICE_FN std::uint64_t credit_for_next(std::int32_t to, std::uint64_t bytes) const {
    const FabricPeer& link = peer(to);
#if defined(SLUICE_HOST)
    if (link.across)
      return link.window.credit_for(link.sent, bytes, slots(), layout_.links.window_bytes);
#endif
    const std::uint64_t limit = layout_.links.window_slots();
    return link.sent < limit ? 0 : link.sent + 1 - limit;
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
  /// Where the data of the next fragment from `from` is: `slot`, of a message of `message_bytes`.
  SLUICE_FN const std::byte* payload(std::int32_t from, const LinkSlot& slot,
                                     std::uint64_t message_bytes) const {
    if (message_bytes <= LinkSlot::kShortBytes) return slot.short_data;
    const FabricPeer& link = peer(from);
#if defined(SLUICE_HOST)
    if (link.expected != nullptr)
      if (const std::byte* const placed = link.expected->placed(link.received)) return placed;
#endif
    // Whatever a peer says, its data is sought in the rooms that are its own.
    return link_room(rank(), from, link.across ? slot.place : link.received);
  }
  /// Where `from` keeps the message of a fragment that this rank is to fetch; else 0.
  SLUICE_FN std::uint64_t address_in(const LinkSlot& slot, std::int32_t from) const {
    return peer(from).across ? 0 : slot.place;
  }
  /// How much of a message of `bytes` the fragment at `offset` carries.
  SLUICE_FN std::uint64_t fragment(std::uint64_t bytes, std::uint64_t offset) const {
    return bytes - offset < slot_bytes() ? bytes - offset : slot_bytes();
  }
  /// The next fragment from `from`, or nullptr when it is not there yet.
  SLUICE_FN const LinkSlot* next_incoming(std::int32_t from) const {
    const LinkSlot& slot = link_slot(rank(), from, peer(from).received);
    return port::load_acquire(&slot.tag) > peer(from).received ? &slot : nullptr;
  }
  /// Sends the `bytes` at `data` as the next fragment to `to`. There must be credit.
  template <ThreadGroup Group>
  SLUICE_FN void put_fragment(const Group& group, std::int32_t to, const std::byte* data,
                              std::uint64_t bytes, std::uint64_t message_bytes,
                              std::uint64_t kind) {
    if (peer(to).across) return write_fragment(group, to, data, bytes, message_bytes, kind);
    LinkSlot& slot = link_slot(to, rank(), peer(to).sent);
    std::byte* const place = message_bytes <= LinkSlot::kShortBytes
                                 ? slot.short_data
                                 : link_room(to, rank(), peer(to).sent);
    copy(group, place, data, bytes);
    post_fragment(group, slot, to, message_bytes, kind, 0);
  }
  /// Sends the address of a message that `to` fetches itself. There must be credit.
  template <ThreadGroup Group>
  SLUICE_FN void put_address(const Group& group, std::int32_t to, const std::byte* data,
                             std::uint64_t message_bytes, std::uint64_t kind) {
    post_fragment(group, link_slot(to, rank(), peer(to).sent), to, message_bytes, kind,
                  reinterpret_cast<std::uint64_t>(data));
  }
  template <ThreadGroup Group>
  SLUICE_FN void take_fragment(const Group& group, std::int32_t from) {
    group.sync();
    if (group.rank() != 0) return;
    FabricPeer& link = peer(from);
    if (link.across) return owe_credit(from, link);
    ++link.received;
    port::store_release(&credit(from, rank()).consumed, link.received);  // pairs with send()'s wait
    wake();
  }

 protected:
  std::uint64_t signature_ = 0;  // of the operation in flight

 private:
  SLUICE_FN std::uint64_t slots() const { return layout_.links.slots; }

  template <ThreadGroup Group>
  SLUICE_FN void post_fragment(const Group& group, LinkSlot& slot, std::int32_t to,
                               std::uint64_t message_bytes, std::uint64_t kind,
                               std::uint64_t address) {
    group.sync();
    if (group.rank() != 0) return;
    ++peer(to).sent;
    slot.bytes = message_bytes;
    slot.kind = kind;
    slot.place = address;
    port::store_release(&slot.tag, peer(to).sent);  // pairs with receive() and next_incoming()
    wake();
  }

  /// take_fragment() across a port. The credit goes with the next fragment that goes there; at the
  /// latest before the sender must wait.
  SLUICE_FN void owe_credit(std::int32_t from, FabricPeer& link) {
    const std::uint64_t message_bytes = link_slot(rank(), from, link.received).bytes;
    ++link.received;
    ++link.owed;
    link.owed_bytes += fragment(message_bytes, 0);  // its last fragment may be shorter
    if (link.owed >= layout_.links.untold_fragments() ||
        link.owed_bytes >= layout_.links.untold_bytes())
      write(from, {}, {}, link);
  }

  /// put_fragment() across a port: the slot behind its tag, the data, and what raises the tag.
  template <ThreadGroup Group>
  SLUICE_FN void write_fragment(const Group& group, std::int32_t to, const std::byte* data,
                                std::uint64_t bytes, std::uint64_t message_bytes,
                                std::uint64_t kind) {
#if defined(SLUICE_HOST)
    if (group.rank() != 0) return;
    FabricPeer& link = peer(to);
    const auto self = static_cast<std::uint64_t>(rank());
    const std::uint64_t slot = layout_.link_slot(self, link.sent & (slots() - 1));
    const std::uint64_t room =
        link.window.take(link.sent, bytes, port::load_acquire(&credit(rank(), to).consumed));
    LinkSlot head{.tag = 0, .bytes = message_bytes, .kind = kind, .place = room, .short_data = {}};
    std::uint64_t head_end = offsetof(LinkSlot, short_data);
    SegmentPut puts[2];
    std::size_t parts = 1;
    if (message_bytes <= LinkSlot::kShortBytes) {
      std::copy_n(data, bytes, head.short_data);
      head_end += bytes;
    } else {
      puts[parts++] = {layout_.link_room(self, room), data, bytes};
    }
    puts[0] = {slot + offsetof(LinkSlot, bytes), &head.bytes, head_end - offsetof(LinkSlot, bytes)};
    // Tags are numbers of fragments: each round of the ring raises a slot's by its length.
    const std::uint64_t raise = link.sent < slots() ? link.sent + 1 : slots();
    ++link.sent;
    write(to, std::span(puts).first(parts), {slot + offsetof(LinkSlot, tag), raise}, link);
#endif
  }

  /// One write to a peer across a port, with the credit that it is owed.
  SLUICE_FN void write(std::int32_t to, std::span<const SegmentPut> puts, SegmentSignal signal,
                       FabricPeer& link) {
#if defined(SLUICE_HOST)
    const SegmentSignal signals[] = {
        signal, {layout_.credit(static_cast<std::uint64_t>(rank())), link.owed}};
    const std::size_t first = signal.amount != 0 ? 0 : 1, end = link.owed != 0 ? 2 : 1;
    link.owed = link.owed_bytes = 0;
    parts_.remote_segments.write(parts_.remote_segments.context, to, puts,
                                 std::span(signals).subspan(first, end - first));
#endif
  }

  SLUICE_FN LinkSlot& link_slot(std::int32_t owner, std::int32_t source,
                                std::uint64_t number) const {
    return *reinterpret_cast<LinkSlot*>(
        peer(owner).segment +
        layout_.link_slot(static_cast<std::uint64_t>(source), number & (slots() - 1)));
  }
  SLUICE_FN std::byte* link_room(std::int32_t owner, std::int32_t source,
                                 std::uint64_t room) const {
    return peer(owner).segment +
           layout_.link_room(static_cast<std::uint64_t>(source), room & (slots() - 1));
  }
  SLUICE_FN Credit& credit(std::int32_t owner, std::int32_t receiver) const {
    return *reinterpret_cast<Credit*>(peer(owner).segment +
                                      layout_.credit(static_cast<std::uint64_t>(receiver)));
  }

  std::uint64_t rounds_ = 0;
};

}  // namespace sluice
