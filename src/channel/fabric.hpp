// Fabric: what a schedule may call. One rank's view of its peers' segments during an operation.
//
// Every verb is called by all threads of the group with the same arguments. The first thread alone
// waits, tells and remembers; a verb that waits ends with a barrier, one that tells begins with
// one. Verbs never fail visibly: after the first failed wait they do nothing that could harm a peer
// and the schedule runs to its end; the launcher then finds failed(). The four ways to move data,
// by size:
//
//   packets  up to kPacketBytes: the flag is in the data's last line, no other synchronisation
//   stage    through slots of this rank's stage, which peers read; lanes say how far each has come
//   links    messages between two ranks through a ring of slots; works where only puts exist
//   direct   from and to the users' own buffers, where peers can reach them
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/links.hpp"
#include "channel/packet.hpp"
#include "channel/segment.hpp"
#include "channel/stage_ring.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

enum class PeerBuffer : std::uint8_t { kInput, kOutput };

class Fabric : public Links {
 public:
  using Links::Links;

  SLUICE_FN std::uint64_t epoch() const { return epoch_; }
  /// Of the operation in flight.
  SLUICE_FN std::uint64_t signature() const { return signature_; }

  // ---- operations ----

  /// Enters the next operation; by one thread, before the schedule. The record is what peers
  /// compare theirs with.
  SLUICE_FN void begin(const OperationRecord& record) {
    epoch_ = record.epoch;
    signature_ = record.signature;
    steps_ = 0;
    last_packets_ = packets_used_[turn()];
    OperationRecord& entry = header(rank()).records[epoch_ % kRecords];
    port::store_relaxed(&entry.epoch, record.epoch);
    port::store_relaxed(&entry.signature, record.signature);
    port::store_relaxed(&entry.count, record.count);
    port::store_relaxed(&entry.call, record.call);
    port::store_relaxed(&entry.root, record.root);
    // Pairs with wait_left(): whoever sees it may overwrite what this rank read in earlier
    // operations.
    port::store_release(&header(rank()).lanes[kStarted].value, epoch_);
    wake();
  }

  /// Leaves the operation; by one thread, after the schedule. Returns how many epochs it took: more
  /// than one only when its steps outgrew the bits of a lane.
  SLUICE_FN std::uint64_t end() {
    // Nobody waits for this; it is on the line that begin() has just written.
    port::store_relaxed(&header(rank()).records[epoch_ % kRecords].ended, epoch_);
    const std::uint64_t carried = steps_ >> kStepBits;
    if (carried == 0) return 1;
    for (std::uint64_t* used :
         {&packets_used_[turn()], &lanes_used_[lane_turn()], &exposure_used_[parity()]})
      if (*used == epoch_) *used += carried;
    if (stage_.epoch() == epoch_) stage_.carry(carried);
    return 1 + carried;
  }

  /// Enters the next part of an operation of the whole communicator, for a fabric of some of its
  /// ranks: each part is an operation here.
  template <ThreadGroup Group>
  SLUICE_FN void begin_part(const Group& group, std::uint64_t signature) {
    group.sync();  // beginning it lets peers write again what the part before it reads
    if (group.rank() == 0) {
      const std::uint64_t next = epoch_ == 0 ? 1 : epoch_ + end();
      begin({.epoch = next, .signature = signature, .count = 0, .call = 0, .root = 0});
    }
    group.sync();
  }

  /// Says that this rank starts no more operations: kOut or kLeft. Whoever waits for it finds out.
  SLUICE_FN void leave(std::uint64_t how) {
    port::store_release(&header(rank()).lanes[kStarted].value, how);
    // Nobody shall begin to use buffers that were shown and not yet looked at. (A rank that left in
    // good order is not asked for its buffers any more, but others may still read that it showed
    // them.)
    if (how == kOut)
      for (Exposure& exposure : header(rank()).exposures)
        port::store_relaxed(&exposure.signature, 0);
    wake();
  }

  /// Whether `rank` has said that it is out: what it posted or showed is not to be used any more.
  SLUICE_FN bool is_out(std::int32_t rank) const {
    return port::load_acquire(&header(rank).lanes[kStarted].value) >= kOut;
  }

  /// What `rank` says in its lane kStarted.
  SLUICE_FN std::uint64_t started(std::int32_t rank) const {
    return port::load_acquire(&header(rank).lanes[kStarted].value);
  }
  /// Whether `rank` has said that it is done with what its peers showed in operation `epoch`.
  SLUICE_FN bool is_done(std::int32_t rank, std::uint64_t epoch) const {
    return port::load_acquire(&header(rank).lanes[kConsumed].value) > epoch << kStepBits;
  }
  /// What `rank` was asked to do where it keeps operation `epoch`; its epoch tells which that is.
  SLUICE_FN OperationRecord record(std::int32_t rank, std::uint64_t epoch) const {
    const OperationRecord& kept = header(rank).records[epoch % kRecords];
    OperationRecord copy{};
    copy.epoch = port::load_relaxed(&kept.epoch);
    copy.signature = port::load_relaxed(&kept.signature);
    copy.count = port::load_relaxed(&kept.count);
    copy.call = port::load_relaxed(&kept.call);
    copy.root = port::load_relaxed(&kept.root);
    copy.ended = port::load_relaxed(&kept.ended);
    return copy;
  }

  // ---- packets ----

  /// `bytes` <= kPacketBytes to everybody; read with receive_broadcast_packets().
  template <ThreadGroup Group>
  SLUICE_FN void broadcast_packets(const Group& group, const std::byte* source,
                                   std::uint64_t bytes) {
    bool free = true;
    if (group.rank() == 0) {
      for (std::int32_t r = 0; r < size(); ++r) free &= wait_left(r, last_packets_);
      packets_used_[turn()] = epoch_;
    }
    put_packet(group, packet_room(rank(), size()), free, source, bytes);
  }

  /// `bytes` <= kPacketBytes to one peer; read with receive_packets().
  template <ThreadGroup Group>
  SLUICE_FN void put_packets(const Group& group, std::int32_t to, const std::byte* source,
                             std::uint64_t bytes) {
    bool free = true;
    if (group.rank() == 0) {
      free = wait_left(to, last_packets_);
      packets_used_[turn()] = epoch_;
    }
    put_packet(group, packet_room(rank(), to), free, source, bytes);
  }

  /// The peer's packets to everybody; valid until the end of the operation.
  template <ThreadGroup Group>
  SLUICE_FN const std::byte* receive_broadcast_packets(const Group& group, std::int32_t from,
                                                       std::uint64_t bytes) {
    return receive_packet(group, from, packet_room(from, size()), bytes);
  }

  /// The peer's packets to this rank; valid until the end of the operation.
  template <ThreadGroup Group>
  SLUICE_FN const std::byte* receive_packets(const Group& group, std::int32_t from,
                                             std::uint64_t bytes) {
    return receive_packet(group, from, packet_room(from, rank()), bytes);
  }

  // ---- stage ----

  /// Takes the next `slots` slots of `slot_bytes` in every rank's stage; all ranks say the same.
  template <ThreadGroup Group>
  SLUICE_FN void open_stage(const Group& group, std::uint64_t slots, std::uint64_t slot_bytes) {
    if (group.rank() == 0) stage_.open(epoch_, slots, slot_bytes);
    group.sync();
  }
  /// Slot `slot` of `rank`: write one's own, read the others'.
  SLUICE_FN std::byte* slot(std::int32_t rank, std::uint64_t slot) const {
    return peer(rank).segment + layout_.stage() + stage_.offset(slot);
  }
  /// Before writing a slot: waits until every peer is done with what was there; false when it must
  /// not be written. What they are done with in this operation, their kConsumed says.
  template <ThreadGroup Group>
  SLUICE_FN bool wait_slot_free(const Group& group, std::uint64_t slot) {
    const StageRing::Obstacle obstacle = stage_.obstacle(slot);
    for (std::int32_t i = 1; i < size(); ++i) {
      const std::int32_t reader = neighbour(i);
      if (obstacle.slots != 0)
        wait_for(group, reader, kConsumed, obstacle.slots);
      else if (group.rank() == 0)
        wait_left(reader, obstacle.epoch);
    }
    return !failed(group);
  }

  /// Says that this rank has come to `steps` in `lane`; what it wrote before is visible to whoever
  /// waits for it.
  template <ThreadGroup Group>
  SLUICE_FN void publish(const Group& group, LaneName lane, std::uint64_t steps) {
    // Before the barrier, so that whether it failed is the same for all threads behind it.
    if (group.rank() == 0) take_lane_turn();
    group.sync();
    if (group.rank() != 0 || failed()) return;
    if (steps > steps_) steps_ = steps;
    Lane& own = header(rank()).lanes[lane];
    port::store_relaxed(&own.signature[lane_turn()], signature_);
    port::store_release(&own.value, (epoch_ << kStepBits) + steps);  // pairs with wait_for()
    wake();
  }

  /// Waits until `from` has come to `steps` in `lane` of this operation.
  template <ThreadGroup Group>
  SLUICE_FN void wait_for(const Group& group, std::int32_t from, LaneName lane,
                          std::uint64_t steps) {
    if (group.rank() == 0 && from != rank()) {
      const Lane& theirs = header(from).lanes[lane];
      const std::uint64_t target = (epoch_ << kStepBits) + steps;
      const std::uint64_t seen = wait_for_word(&theirs.value, target, from);
      if (seen >= target) {
        learn(from, seen >> kStepBits);
        check_signature(from, port::load_relaxed(&theirs.signature[lane_turn()]));
      }
    }
    group.sync();
  }

  // ---- direct ----

  /// Shows this rank's buffers to its peers for the length of this operation. By one thread.
  SLUICE_FN void expose(const ExposedBuffer& input, const ExposedBuffer& output) {
    for (std::int32_t r = 0; r < size(); ++r)
      if (!wait_left(r, exposure_used_[parity()])) return;
    exposure_used_[parity()] = epoch_;
    Exposure& own = header(rank()).exposures[parity()];
    port::store_relaxed(&own.signature, signature_);
    own.input = input;
    own.output = output;
    port::store_release(&own.tag, epoch_);  // pairs with wait_exposed()
    wake();
  }
  /// The peer's buffers; nullptr after a failure. By one thread.
  SLUICE_FN const Exposure* wait_exposed(std::int32_t from) {
    const Exposure& theirs = header(from).exposures[parity()];
    const std::uint64_t seen = wait_for_word(&theirs.tag, epoch_, from);
    if (seen < epoch_) return nullptr;
    learn(from, seen);
    check_signature(from, port::load_relaxed(&theirs.signature));
    return failed() ? nullptr : &theirs;
  }

  /// The peer's exposed buffer, where it is mapped (the algorithm's `needs_direct` says that it
  /// must be).
  SLUICE_FN std::byte* exposed(std::int32_t rank, PeerBuffer which) const {
    return peer(rank).exposed[static_cast<unsigned>(which)];
  }

  /// destination[0, bytes) = the peer's exposed buffer [offset, + bytes).
  template <ThreadGroup Group>
  SLUICE_FN void get(const Group& group, std::int32_t from, PeerBuffer which, std::uint64_t offset,
                     std::byte* destination, std::uint64_t bytes) {
    if (bytes == 0 || failed(group)) return;
    if (const std::byte* mapped = exposed(from, which))
      return copy(group, destination, mapped + offset, bytes, streaming(bytes));
    fetch(group, from, peer(from).address[static_cast<unsigned>(which)] + offset, destination,
          bytes);
  }

  /// The peer's exposed buffer [offset, + bytes) = source[0, bytes).
  template <ThreadGroup Group>
  SLUICE_FN void put(const Group& group, std::int32_t to, PeerBuffer which, std::uint64_t offset,
                     const std::byte* source, std::uint64_t bytes) {
    if (bytes == 0 || failed(group)) return;
    if (std::byte* mapped = exposed(to, which))
      return copy(group, mapped + offset, source, bytes, streaming(bytes));
#if defined(SLUICE_HOST)
    const std::uint64_t address = peer(to).address[static_cast<unsigned>(which)] + offset;
    parts_.private_memory.write(parts_.private_memory.context, to, source, address, bytes);
#endif
  }

  /// Whether fetch() can read `from`'s private memory.
  SLUICE_FN bool can_fetch(std::int32_t from) const { return peer(from).reach != Reach::kNone; }
  /// destination[0, bytes) = what lies at `address` in `from`'s address space, which it has told
  /// us.
  template <ThreadGroup Group>
  SLUICE_FN void fetch(const Group& group, std::int32_t from, std::uint64_t address,
                       std::byte* destination, std::uint64_t bytes) {
    if (peer(from).reach == Reach::kSame)
      return copy(group, destination, reinterpret_cast<const std::byte*>(address), bytes,
                  streaming(bytes));
#if defined(SLUICE_HOST)
    parts_.private_memory.read(parts_.private_memory.context, from, destination, address, bytes);
#endif
  }

  /// Ends the use of exposed buffers: returns when every peer is done with this rank's.
  template <ThreadGroup Group>
  SLUICE_FN void close_exposure(const Group& group) {
    publish(group, kConsumed, 1);
    for (std::int32_t r = 0; r < size(); ++r) wait_for(group, r, kConsumed, 1);
  }

 private:
  SLUICE_FN std::uint64_t parity() const { return epoch_ & 1; }
  SLUICE_FN std::uint64_t turn() const { return epoch_ % kPacketTurns; }
  SLUICE_FN std::uint64_t lane_turn() const { return epoch_ % kLaneTurns; }
  /// Before this operation's signature is written beside a lane: nobody may be looking for the one
  /// that was there.
  SLUICE_FN void take_lane_turn() {
    std::uint64_t& used = lanes_used_[lane_turn()];
    if (used == epoch_) return;
    for (std::int32_t r = 0; r < size(); ++r) wait_left(r, used);
    used = epoch_;
  }
  SLUICE_FN std::uint64_t packet_tag() const { return epoch_ << kStepBits | (signature_ & 0xffff); }
  SLUICE_FN PacketRoom& packet_room(std::int32_t from, std::int32_t to) const {
    return *reinterpret_cast<PacketRoom*>(peer(from).segment +
                                          layout_.packets(static_cast<std::uint64_t>(to), turn()));
  }
  /// `free`: what the first thread knows of the room; the others are told.
  template <ThreadGroup Group>
  SLUICE_FN void put_packet(const Group& group, PacketRoom& room, bool free,
                            const std::byte* source, std::uint64_t bytes) {
    if (bytes <= PacketLine::kPayloadBytes) {
      if (group.rank() == 0 && free) copy_payload(room.message(bytes), source, bytes);
    } else {
      if (group.any(!free)) return;
      copy(group, room.message(bytes), source, bytes);
    }
    group.sync();
    if (group.rank() != 0 || !free) return;
    port::store_release(&room.tag, packet_tag());  // pairs with receive_packet()
    wake();
  }

  SLUICE_FN void learn(std::int32_t from, std::uint64_t epoch) {
    if (peer(from).known_epoch < epoch) peer(from).known_epoch = epoch;
  }

  /// Waits until `reader` has left operation `epoch`; false when it does not. Usually known from
  /// what it sent since; else its lane says so.
  SLUICE_FN bool wait_left(std::int32_t reader, std::uint64_t epoch) {
    if (peer(reader).known_epoch > epoch || reader == rank() || epoch == 0) return true;
    const std::uint64_t seen =
        wait_for_word(&header(reader).lanes[kStarted].value, epoch + 1, reader);
    learn(reader, seen);
    return seen > epoch;
  }

  SLUICE_FN void check_signature(std::int32_t from, std::uint64_t theirs) {
    if (theirs != signature_) record_mismatch(from, signature_, theirs);
  }

  template <ThreadGroup Group>
  SLUICE_FN const std::byte* receive_packet(const Group& group, std::int32_t from,
                                            const PacketRoom& room, std::uint64_t bytes) {
    if (group.rank() == 0) {
      const std::uint64_t tag = packet_tag();
      const std::uint64_t seen = wait_for_word(&room.tag, tag & ~0xffffull, from);
      if (seen != tag) {
        record_mismatch(from, tag, seen);
      } else {
        learn(from, epoch_);
      }
    }
    group.sync();
    return room.message(bytes);
  }

  std::uint64_t epoch_ = 0;
  std::uint64_t steps_ = 0;                        // the farthest that this rank came in a lane
  std::uint64_t last_packets_ = 0;                 // the packets' last use before this operation
  std::uint64_t packets_used_[kPacketTurns] = {};  // epoch of the last use
  std::uint64_t lanes_used_[kLaneTurns] = {};
  std::uint64_t exposure_used_[2] = {};  // by parity
  StageRing stage_;
};

}  // namespace sluice
