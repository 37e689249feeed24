// Packets: data and flag in one line, so that the arrival of the flag is the arrival of the data.
//
// A message of n bytes takes packet_lines(n) consecutive lines. Each line ends with a tag; a line
// is complete when its tag reaches the message's. Tags only grow, so a line needs no clearing
// between messages.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

/// One cache line. The writer fills `payload`, then releases `tag`; the reader acquires `tag`, then
/// reads.
struct alignas(64) PacketLine {
  static constexpr std::uint64_t kPayloadBytes = 56;
  std::byte payload[kPayloadBytes];
  std::uint64_t tag;
};
static_assert(sizeof(PacketLine) == 64);

SLUICE_FN constexpr std::uint64_t packet_lines(std::uint64_t bytes) {
  return bytes == 0 ? 1 : (bytes + PacketLine::kPayloadBytes - 1) / PacketLine::kPayloadBytes;
}

/// Copies at most one line's payload. Two overlapping moves beat a call of memcpy at these sizes.
SLUICE_FN void copy_payload(std::byte* destination, const std::byte* source, std::uint64_t bytes) {
  const auto ends = [&](auto word) {  // the first and the last sizeof(word) bytes, overlapping
    using Word = decltype(word);
    Word first, last;
    port::copy_bytes(&first, source, sizeof(Word));
    port::copy_bytes(&last, source + bytes - sizeof(Word), sizeof(Word));
    port::copy_bytes(destination, &first, sizeof(Word));
    port::copy_bytes(destination + bytes - sizeof(Word), &last, sizeof(Word));
  };
  struct Word16 {
    std::uint64_t half[2];
  };
  struct Word32 {
    std::uint64_t quarter[4];
  };
  if (bytes == PacketLine::kPayloadBytes)
    return port::copy_bytes(destination, source, PacketLine::kPayloadBytes);
  if (bytes >= 32) return ends(Word32{});
  if (bytes >= 16) return ends(Word16{});
  if (bytes >= 8) return ends(std::uint64_t{});
  if (bytes >= 4) return ends(std::uint32_t{});
  for (std::uint64_t i = 0; i < bytes; ++i) destination[i] = source[i];
}

/// Writes `bytes` from `source` as packets with `tag` into `lines`.
template <ThreadGroup Group>
SLUICE_FN void put_packets(const Group& group, PacketLine* lines, const std::byte* source,
                           std::uint64_t bytes, std::uint64_t tag) {
  const std::uint64_t count = packet_lines(bytes);
  for (std::uint64_t i = group.rank(); i < count; i += group.size()) {
    const std::uint64_t offset = i * PacketLine::kPayloadBytes;
    const std::uint64_t left = bytes - offset;
    copy_payload(lines[i].payload, source + offset,
                 left < PacketLine::kPayloadBytes ? left : PacketLine::kPayloadBytes);
    port::store_release(&lines[i].tag,
                        tag);  // pairs with the acquire in wait_at_least() of the reader
  }
}

/// Waits for the packets with at least `tag` in `lines` and copies their payload to `destination`.
/// Returns the tag of the last line seen by this thread (below `tag` only after a failed wait).
template <ThreadGroup Group>
SLUICE_FN std::uint64_t receive_packets(const Group& group, WaitState& waits,
                                        const PacketLine* lines, std::byte* destination,
                                        std::uint64_t bytes, std::uint64_t tag, std::int32_t peer) {
  const std::uint64_t count = packet_lines(bytes);
  std::uint64_t seen = tag;
  if (group.rank() >= count) return seen;
  // The line that is written last first: to poll a line that is about to be written takes it away
  // from its writer, so the others are better left alone until they are there.
  const std::uint64_t last = count - 1 - (count - 1 - group.rank()) % group.size();
  if (wait_at_least(waits, &lines[last].tag, tag, peer) < tag) return 0;
  for (std::uint64_t i = group.rank(); i < count; i += group.size()) {
    const std::uint64_t offset = i * PacketLine::kPayloadBytes;
    const std::uint64_t left = bytes - offset;
    seen = wait_at_least(waits, &lines[i].tag, tag, peer);
    if (seen < tag) return seen;
    copy_payload(destination + offset, lines[i].payload,
                 left < PacketLine::kPayloadBytes ? left : PacketLine::kPayloadBytes);
  }
  return seen;
}

}  // namespace sluice
