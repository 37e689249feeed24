// One rank's view of its communicator: who it is, where its peers' segments are, what it works
// with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/port.hpp"
#include "channel/link_window.hpp"
#include "channel/segment.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

class ExpectedFragments;

/// How this rank gets at a peer's private memory.
enum class Reach : std::uint8_t {
  kNone,    // not at all
  kAttach,  // by PrivateMemory
  kSame,    // it is this process's own
};

/// What one rank knows of a peer. Private to the rank.
struct FabricPeer {
  std::byte* segment = nullptr;   // mapped; of a peer across a port: its header only, as last asked
  bool across = false;            // across a port: reached by RemoteSegments, over links only
  Doorbell* doorbell = nullptr;   // where it sleeps, if that is mapped
  std::uint64_t known_epoch = 0;  // an operation that the peer is known to have started
  std::uint64_t sent = 0;         // fragments on the link to it
  std::uint64_t received = 0;     // fragments taken from its link
  std::uint64_t owed = 0;         // of these, those that a peer across a port was not told of,
  std::uint64_t owed_bytes = 0;   // and their bytes, or more
  std::uint64_t turn[2] =
      {};  // exchange(): the last round in which a send to it, a receive from it, had its turn
  std::byte* exposed[2] = {};     // its buffers of this operation, where mapped; by PeerBuffer
  std::uint64_t address[2] = {};  // and in its own address space
  Reach reach = Reach::kNone;
  LinkWindow window;                      // of the link to a peer across a port
  ExpectedFragments* expected = nullptr;  // on the link from it, where they can be taken in so
};

/// Copies between this process and a peer's private memory (cross-memory attach). Host only.
struct PrivateMemory {
  bool (*read)(void* context, std::int32_t peer, void* local, std::uint64_t address,
               std::uint64_t bytes) = nullptr;
  bool (*write)(void* context, std::int32_t peer, const void* local, std::uint64_t address,
                std::uint64_t bytes) = nullptr;
  void* context = nullptr;
};

/// A stretch of this rank's memory, and where in a peer's segment it goes.
struct SegmentPut {
  std::uint64_t offset;
  const void* data;
  std::uint64_t bytes;
};
/// What is added to a counter in a peer's segment.
struct SegmentSignal {
  std::uint64_t offset;
  std::uint64_t amount;
};

/// Writes to the segments of peers across a port (a transport's put_batch). Host only.
struct RemoteSegments {
  /// Puts first, then signals; the memory may be reused on return. A failure is recorded in the
  /// rank's WaitState.
  void (*write)(void* context, std::int32_t peer, std::span<const SegmentPut> puts,
                std::span<const SegmentSignal> signals) = nullptr;
  void* context = nullptr;
};

class Fabric;

/// How the ranks are spread over hosts; in memory of the communicator.
struct HostsView {
  std::int32_t hosts = 1;
  std::int32_t host = 0;                   // this rank's
  std::int32_t places = 0;                 // ranks of the host that has the fewest
  const std::int32_t* host_of = nullptr;   // [ranks]
  const std::int32_t* ranks = nullptr;     // [ranks]: those of host 0 in order, then of host 1, ...
  const std::int32_t* first_of = nullptr;  // [hosts + 1]: where in `ranks` those of a host begin
  std::int32_t* team = nullptr;            // [hosts]: room for a schedule to list one rank a host
  Fabric* within = nullptr;                // the ranks of this host, in order, among themselves

  SLUICE_FN const std::int32_t* ranks_on(std::int32_t h) const { return ranks + first_of[h]; }
};

/// Memory that a Fabric works with; owned by the communicator, sized for its ranks.
struct FabricParts {
  std::int32_t rank = 0;
  std::int32_t ranks = 1;
  FabricPeer* peers = nullptr;          // [ranks]; [rank] is this rank itself
  const std::int32_t* names = nullptr;  // [ranks]: what the communicator calls them, if otherwise
  HostsView hosts;                      // where there are several
  WaitState* waits = nullptr;
  LinkShape links{};
  std::byte* piece_scratch = nullptr;  // Links::scratch_bytes(): partial results on their way
  const void** sources = nullptr;      // [ranks]: for reductions
  void** destinations = nullptr;       // [ranks + 1]
  PrivateMemory private_memory;
  RemoteSegments remote_segments;
  bool stage_streaming = false;           // the stage is quicker to write past the caches
  std::uint64_t streaming_bytes = ~0ull;  // outputs from this size on are written past the caches
};

class RankView {
 public:
  RankView() = default;
  explicit RankView(const FabricParts& parts)
      : parts_(parts), layout_{static_cast<std::uint64_t>(parts.ranks), parts.links} {}

  SLUICE_FN bool is_set_up() const { return parts_.peers != nullptr; }
  SLUICE_FN std::int32_t rank() const { return parts_.rank; }
  SLUICE_FN std::int32_t size() const { return parts_.ranks; }
  /// The rank `distance` behind this one, around the ring.
  SLUICE_FN std::int32_t neighbour(std::int32_t distance) const {
    const std::int32_t to = (parts_.rank + distance) % parts_.ranks;
    return to < 0 ? to + parts_.ranks : to;
  }
  /// What the communicator calls `rank`.
  SLUICE_FN std::int32_t name_of(std::int32_t rank) const {
    return parts_.names == nullptr ? rank : parts_.names[rank];
  }
  SLUICE_FN const HostsView& hosts() const { return parts_.hosts; }
  /// The ranks of this host among themselves; only where there are several hosts.
  SLUICE_FN Fabric& within() const { return *parts_.hosts.within; }
  /// Whether a wait has failed. For the group's first thread alone: only it waits, and while others
  /// are on their way out of one wait it may fail in the next.
  SLUICE_FN bool failed() const { return parts_.waits->failed != 0; }
  /// The same answer for all threads of the group; a barrier.
  template <ThreadGroup Group>
  SLUICE_FN bool failed(const Group& group) const {
    return group.any(group.rank() == 0 && failed());
  }
  SLUICE_FN WaitState& waits() const { return *parts_.waits; }
  SLUICE_FN const SegmentLayout& layout() const { return layout_; }
  SLUICE_FN FabricPeer& peer(std::int32_t rank) const { return parts_.peers[rank]; }
  /// Room for one pointer a rank: what a reduction reads, and (one more) what it writes. Filled in
  /// by the first thread; the others read after a barrier.
  SLUICE_FN const void** sources() const { return parts_.sources; }
  SLUICE_FN void** destinations() const { return parts_.destinations; }
  template <ThreadGroup Group>
  SLUICE_FN void set_source(const Group& group, std::int32_t rank, const void* source) const {
    if (group.rank() == 0) parts_.sources[rank] = source;
  }
  template <ThreadGroup Group>
  SLUICE_FN void set_destination(const Group& group, std::int32_t rank, void* destination) const {
    if (group.rank() == 0) parts_.destinations[rank] = destination;
  }
  SLUICE_FN std::byte* piece_scratch() const { return parts_.piece_scratch; }
  /// Whether writes to the stage go past the caches: then its lines need not be taken from the
  /// reader's cache first.
  SLUICE_FN bool stage_streaming() const { return parts_.stage_streaming; }
  SLUICE_FN bool streaming(std::uint64_t bytes) const { return bytes >= parts_.streaming_bytes; }

 protected:
  SLUICE_FN std::uint64_t wait_for_word(const std::uint64_t* word, std::uint64_t target,
                                        std::int32_t peer) const {
    return wait_at_least(*parts_.waits, word, target, name_of(peer));
  }
  SLUICE_FN void record_mismatch(std::int32_t peer, std::uint64_t expected,
                                 std::uint64_t seen) const {
    record_failure(*parts_.waits, WaitOutcome::kMismatch, name_of(peer), expected, seen);
  }
  SLUICE_FN SegmentHeader& header(std::int32_t rank) const {
    return *reinterpret_cast<SegmentHeader*>(peer(rank).segment);
  }
  /// Wakes the ranks that sleep; costs one load of a line that stays in this cache while nobody
  /// does.
  SLUICE_FN void wake() const {
#if defined(SLUICE_HOST)
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (port::load_relaxed(parts_.waits->sleepers) != 0) [[unlikely]]
      for (std::int32_t r = 0; r < size(); ++r)
        if (peer(r).doorbell != nullptr) ring(*peer(r).doorbell);
#endif
  }

  FabricParts parts_;
  SegmentLayout layout_;
};

}  // namespace sluice
