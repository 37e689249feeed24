// The memory that one rank shows to its peers: where everything is.
//
// Each rank owns one segment per communicator; peers on its host map it. All words that are polled
// sit on lines of their own with one writer. Offsets are from the segment's start.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/doorbell.hpp"

namespace sluice {

/// Two lines apart, because neighbouring lines are fetched in pairs by some processors.
inline constexpr std::uint64_t kPollSpacing = 128;

/// How many operations a rank may be ahead of one that still looks at its lanes.
inline constexpr std::uint64_t kLaneTurns = 4;

/// A counter that its owner raises and every peer may poll. `value` is epoch << kStepBits | step,
/// so a later operation's value is above every value of an earlier one and nothing is ever reset.
struct alignas(kPollSpacing) Lane {
  std::uint64_t value;
  std::uint64_t signature[kLaneTurns];  // of the owner's operation, by its epoch in turn
};

inline constexpr unsigned kStepBits = 16;

enum LaneName : unsigned {
  kStarted,   // the operation its owner is in; everything of earlier ones is finished there. Value:
              // the epoch alone.
  kInputs,    // slices of input staged so far
  kResults,   // slices of results staged so far
  kConsumed,  // slices of its peers that its owner is done with
  kExchanging,  // odd while its owner is in exchange() and may be fetching from a peer
  kLaneCount,
};

/// In the lane kStarted: its owner has left for good; or it has met an error and will not touch its
/// peers' memory again.
inline constexpr std::uint64_t kLeft = ~0ull;
inline constexpr std::uint64_t kOut = kLeft - 1;

/// One buffer of a call, as its owner describes it to peers.
struct ExposedBuffer {
  static constexpr std::uint64_t kUnused =
      ~0ull;  // region of a buffer that the owner does not have in this call

  std::uint64_t address;  // in the owner's address space
  std::uint64_t
      region;  // id of the registered region that holds it; 0: ordinary memory; or kUnused
  std::uint64_t offset;  // in that region
};

struct alignas(kPollSpacing) Exposure {
  std::uint64_t tag;  // the epoch; released last
  std::uint64_t signature;
  ExposedBuffer input;
  ExposedBuffer output;
};

/// What a rank was asked to do: the flight recorder's entry and the evidence when calls do not fit.
struct alignas(64) OperationRecord {
  std::uint64_t epoch;
  std::uint64_t signature;
  std::uint64_t count;
  std::uint64_t
      call;  // packed: collective, type, operator, algorithm (src/communicator/operation.hpp)
  std::uint64_t root;
  std::uint64_t ended = 0;  // the epoch again, once its owner has left it
};
inline constexpr std::uint64_t kRecords = 64;

/// The wait that a rank is in, once it has lasted long, for whoever looks from outside: no rank
/// reads it.
struct alignas(kPollSpacing) WaitNote {
  std::uint64_t turn;      // odd while the others are being written
  std::uint64_t since_ns;  // CLOCK_MONOTONIC; 0: no long wait
  std::uint64_t peer;      // who is waited for
  std::uint64_t expected;
  std::uint64_t seen;           // at the last look
  std::uint64_t segment_ranks;  // for how many ranks the word's segment is; 0: it is in none
  std::uint64_t offset;         // of the word in that segment
};

/// The first error of the communicator on this rank, for whoever looks from outside.
struct alignas(kPollSpacing) ErrorNote {
  static constexpr std::uint64_t kTextWords = 31;

  std::uint64_t code;              // an Errc; released last
  std::uint64_t text[kTextWords];  // the beginning of its sentence, padded with zeros
};

/// A fragment of a message on a link. A short message travels in this line; the data of others is
/// in one of the link's rooms, LinkShape::slot_bytes each. Within a host that is the room of the
/// fragment's number; across a port the sender chooses one (LinkWindow).
struct alignas(64) LinkSlot {
  static constexpr std::uint64_t kShortBytes = 32;

  std::uint64_t tag;    // number of the fragment on this link, from 1; released last
  std::uint64_t bytes;  // of the whole message
  std::uint64_t
      kind;  // signature of the operation, or what a point-to-point message says of itself
  std::uint64_t place;  // across a port: the room. Within a host: address of the sender's buffer
                        // when the receiver is to fetch it; else 0
  std::byte short_data[kShortBytes];  // for a message that fits
};

/// How the links of a segment are cut: the same on all its ranks.
struct LinkShape {
  std::uint64_t slots = 8;  // a power of two, LinkWindow::kMost at most; and as many rooms
  std::uint64_t slot_bytes = std::uint64_t{32} << 10;
  std::uint64_t piece_bytes = std::uint64_t{128} << 10;  // Links::piece_bytes() says what of
  // What may be under way: not all that there is room for, where that is quicker. Both ends must
  // have the same.
  std::uint64_t window_bytes = slots * slot_bytes;

  /// Where segments are mapped, as many fragments as the window has room for if all are long.
  SLUICE_FN constexpr std::uint64_t window_slots() const { return window_bytes / slot_bytes; }

  /// Across a port a receiver tells what it is done with, unless something goes back anyway, once
  /// that is a quarter of the slots or of the window. So a sender may know of so many fragments or
  /// bytes, less one, too late.
  SLUICE_FN constexpr std::uint64_t untold_fragments() const { return slots / 4; }
  SLUICE_FN constexpr std::uint64_t untold_bytes() const { return window_bytes / 4; }

  /// An odd number of lines, so that the beginnings of rooms fall into different sets of a cache.
  SLUICE_FN constexpr std::uint64_t room_pitch() const { return slot_bytes + 64; }
};
/// Within a host a window need not be long: it shall stay in a core's cache.
inline constexpr LinkShape kHostLinks;

/// Across hosts. Less where so many ranks would make a segment too large.
SLUICE_FN constexpr LinkShape links_across_hosts(std::uint64_t ranks) {
  constexpr std::uint64_t kAllLinksBytes = std::uint64_t{256} << 20;
  std::uint64_t slots = 64, slot_bytes = std::uint64_t{256} << 10;
  const auto too_large = [&] { return ranks * slots * slot_bytes > kAllLinksBytes; };
  while (too_large() && slots > 16) slots /= 2;
  while (too_large() && slot_bytes > kHostLinks.slot_bytes) slot_bytes /= 2;
  while (too_large() && slots > kHostLinks.slots) slots /= 2;
  const std::uint64_t piece_bytes = 2 * slot_bytes;
  return {slots, slot_bytes,
          piece_bytes > kHostLinks.piece_bytes ? piece_bytes : kHostLinks.piece_bytes,
          slots * slot_bytes};
}

/// Of less than 4 Gbit/s. `network_byte`: nanoseconds for a byte.
SLUICE_FN constexpr bool is_slow_network(double network_byte) { return network_byte >= 2; }

/// The window must hold what is on its way until its credit comes back. On quick networks 4 MiB are
/// more than that, and stay in a cache. On slow ones what is sent waits in the sender's socket and
/// in queues, and so does the credit; with several rails the slowest takes long to carry its part.
/// docs/decisions.md says what was measured.
SLUICE_FN constexpr std::uint64_t window_bytes_across_hosts(const LinkShape& shape,
                                                            double network_byte,
                                                            std::uint64_t rails) {
  constexpr std::uint64_t kQuickSlots = 16;
  const bool all = rails > 1 || is_slow_network(network_byte) || shape.slots < kQuickSlots;
  return (all ? shape.slots : kQuickSlots) * shape.slot_bytes;
}

struct alignas(kPollSpacing) Credit {
  std::uint64_t consumed;  // fragments the receiver is done with; in the sender's segment, raised
                           // by the receiver
};

/// Registered regions that their owner has freed, so that peers unmap them: the last kKept ids of
/// `count`.
struct alignas(kPollSpacing) Withdrawn {
  static constexpr std::uint64_t kKept = 15;
  std::uint64_t count;
  std::uint64_t ids[kKept];
};

struct SegmentHeader {
  std::uint64_t magic;
  std::uint64_t ranks;
  std::uint64_t rank;
  std::uint64_t
      probe;  // a random value that peers read by cross-memory attach to see whether they may
  std::uint64_t communicator;  // a random number, the same on all of its ranks
  std::uint64_t pid;           // of the owner, as it sees itself
  alignas(
      64) std::uint64_t sleepers;  // of the first rank's segment: ranks asleep in this communicator
  Doorbell doorbell;
  Withdrawn withdrawn;
  Lane lanes[kLaneCount];
  Exposure exposures[2];
  OperationRecord records[kRecords];
  WaitNote wait;
  ErrorNote error;
};

inline constexpr std::uint64_t kSegmentMagic = 0x736c756963650004;  // "sluice", layout 4
/// What the memory of a segment is called: by this, sluice-top finds it.
inline constexpr const char* kSegmentLabel = "segment";

/// Room for one small message. It ends where the tag begins, so the line that says that it is there
/// carries its end, or all of it; and nothing but tags ever lies where a tag is waited for. An odd
/// number of lines, so that the tags of neighbouring rooms fall into different sets of a cache.
struct alignas(64) PacketRoom {
  static constexpr std::uint64_t kLines = 81;
  static constexpr std::uint64_t kBytes = kLines * 64 - sizeof(std::uint64_t);

  std::byte space[kBytes];
  std::uint64_t tag;  // released last

  SLUICE_FN std::byte* message(std::uint64_t bytes) { return space + kBytes - bytes; }
  SLUICE_FN const std::byte* message(std::uint64_t bytes) const { return space + kBytes - bytes; }
};
static_assert(sizeof(PacketRoom) == PacketRoom::kLines * 64);

/// Largest message that goes as packets.
inline constexpr std::uint64_t kPacketBytes = PacketRoom::kBytes;
/// Rooms for packets, used in turn: how many operations a sender may be ahead of a reader it
/// does not hear from.
inline constexpr std::uint64_t kPacketTurns = 32;
/// The staging memory of one rank: larger than a second-level cache, so that lines sink to the
/// shared one before they are written again (StageRing says why); small enough to stay in that.
inline constexpr std::uint64_t kStageBytes = 2 * 1024 * 1024;

/// Where the parts of a segment for `ranks` ranks are.
struct SegmentLayout {
  std::uint64_t ranks = 0;
  LinkShape links{};

  /// Packets for `peer` (its rank), or for everybody (peer == ranks).
  SLUICE_FN constexpr std::uint64_t packets(std::uint64_t peer, std::uint64_t turn) const {
    return round_up(sizeof(SegmentHeader), 4096) +
           (peer * kPacketTurns + turn) * sizeof(PacketRoom);
  }
  SLUICE_FN constexpr std::uint64_t credit(std::uint64_t peer) const {
    return round_up(packets(ranks + 1, 0), 4096) + peer * sizeof(Credit);
  }
  SLUICE_FN constexpr std::uint64_t link_slot(std::uint64_t source, std::uint64_t slot) const {
    return round_up(credit(ranks), 4096) + (source * links.slots + slot) * kPollSpacing;
  }
  SLUICE_FN constexpr std::uint64_t link_room(std::uint64_t source, std::uint64_t room) const {
    return round_up(link_slot(ranks, 0), 4096) + (source * links.slots + room) * links.room_pitch();
  }
  SLUICE_FN constexpr std::uint64_t stage() const {
    return round_up(link_room(ranks, 0), 2 * 1024 * 1024);
  }
  SLUICE_FN constexpr std::uint64_t bytes() const { return stage() + kStageBytes; }

  SLUICE_FN static constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t to) {
    return (value + to - 1) / to * to;
  }
};

}  // namespace sluice
