// What the strands of a rank work with, laid out in one stretch of memory that their threads can
// write: of a device, or in the tests of the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "channel/links.hpp"
#include "channel/rank_view.hpp"
#include "channel/segment.hpp"
#include "plan/strand.hpp"
#include "plan/strand_exchange.hpp"

namespace sluice {

/// Offsets from where that memory begins, at the strands. All are multiples of a line.
struct StrandMemory {
  std::uint64_t ranks = 1;
  std::uint64_t strands = 1;

  /// A strand's own part: its waits, what it knows of its peers, room for pointers.
  constexpr std::uint64_t waits(std::uint64_t strand) const {
    return line(strands * sizeof(Strand)) + strand * pitch();
  }
  constexpr std::uint64_t peers(std::uint64_t strand) const {
    return waits(strand) + line(sizeof(WaitState));
  }
  constexpr std::uint64_t sources(std::uint64_t strand) const {
    return peers(strand) + line(ranks * sizeof(FabricPeer));
  }
  constexpr std::uint64_t destinations(std::uint64_t strand) const {
    return sources(strand) + line(ranks * sizeof(void*));
  }
  /// All that has a value at the beginning; behind it is room for partial results.
  constexpr std::uint64_t image_bytes() const { return waits(strands); }
  constexpr std::uint64_t scratch(std::uint64_t strand) const {
    return image_bytes() + strand * line(Links::scratch_bytes(kHostLinks));
  }
  /// Of the transfers of a call, and of a strand's parts of them.
  constexpr std::uint64_t listed() const { return scratch(strands); }
  constexpr std::uint64_t under_way(std::uint64_t strand) const {
    return listed() + line(kMostTransfers * sizeof(ListedTransfer)) +
           strand * line(kMostTransfers * sizeof(LinkTransfer));
  }
  /// What RegionTable has, of the rank.
  constexpr std::uint64_t regions() const { return under_way(strands); }
  constexpr std::uint64_t region(std::uint64_t number) const {
    return regions() + number * ranks * sizeof(std::byte*);
  }
  constexpr std::uint64_t bytes() const { return line(region(RegionTable::kMost)); }
  /// Of one rank's segments, a strand's behind the other's.
  constexpr std::uint64_t segment_bytes() const { return SegmentLayout{ranks}.bytes(); }
  constexpr std::uint64_t segments_bytes() const { return strands * segment_bytes(); }

 private:
  static constexpr std::uint64_t line(std::uint64_t bytes) {
    return SegmentLayout::round_up(bytes, kPollSpacing);
  }
  constexpr std::uint64_t pitch() const {
    return line(sizeof(WaitState)) + line(ranks * sizeof(FabricPeer)) +
           line(ranks * sizeof(void*)) + line((ranks + 1) * sizeof(void*));
  }
};

/// Where things are, as the threads of the strands see them.
struct StrandPlaces {
  std::byte* memory = nullptr;                     // StrandMemory::bytes()
  std::span<std::byte* const> segments;            // by rank: StrandMemory::segments_bytes()
  StrandFailure* failure = nullptr;                // in memory that the host reads, too
  const std::uint64_t* host_abort_word = nullptr;  // likewise; may be null
};

/// The first image_bytes() of rank `rank`'s memory, to be copied to places.memory.
inline std::vector<std::byte> strand_image(const StrandMemory& memory, std::int32_t rank,
                                           const StrandPlaces& places, std::uint64_t timeout_ns) {
  static_assert(std::is_trivially_copyable_v<Strand> && std::is_trivially_copyable_v<WaitState> &&
                std::is_trivially_copyable_v<FabricPeer>);
  std::vector<std::byte> image(memory.image_bytes());
  const auto put = [&](std::uint64_t offset, const auto& value) {
    std::memcpy(image.data() + offset, &value, sizeof value);
  };
  for (std::uint64_t s = 0; s < memory.strands; ++s) {
    const auto segment = [&](std::uint64_t peer) {
      return places.segments[peer] + s * memory.segment_bytes();
    };
    WaitState waits;
    waits.timeout_ns = timeout_ns;
    waits.host_abort_word = places.host_abort_word;
    waits.sleepers = &reinterpret_cast<SegmentHeader*>(segment(0))->sleepers;
    put(memory.waits(s), waits);
    for (std::uint64_t peer = 0; peer < memory.ranks; ++peer) {
      FabricPeer known;
      known.segment = segment(peer);
      put(memory.peers(s) + peer * sizeof(FabricPeer), known);
    }
    FabricParts parts;
    parts.rank = rank;
    parts.ranks = static_cast<std::int32_t>(memory.ranks);
    parts.peers = reinterpret_cast<FabricPeer*>(places.memory + memory.peers(s));
    parts.waits = reinterpret_cast<WaitState*>(places.memory + memory.waits(s));
    parts.piece_scratch = places.memory + memory.scratch(s);
    parts.sources = reinterpret_cast<const void**>(places.memory + memory.sources(s));
    parts.destinations = reinterpret_cast<void**>(places.memory + memory.destinations(s));
    put(s * sizeof(Strand),
        Strand{.fabric = Fabric(parts),
               .index = static_cast<std::int32_t>(s),
               .count = static_cast<std::int32_t>(memory.strands),
               .failure = places.failure,
               .messages = {reinterpret_cast<ListedTransfer*>(places.memory + memory.listed()),
                            reinterpret_cast<LinkTransfer*>(places.memory + memory.under_way(s)),
                            {}},
               .regions = {reinterpret_cast<std::byte**>(places.memory + memory.regions()),
                           memory.ranks}});
  }
  return image;
}

}  // namespace sluice
