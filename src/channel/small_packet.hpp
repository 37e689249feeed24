// Packets of other sizes than PacketLine's, for kernels: data and flag in one store of 8 or 16
// bytes, and lines of 128. The rules are those of channel/packet.hpp: flags and tags only grow,
// from 1, and the writer overwrites a packet only when the reader is done with it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"

namespace sluice {

/// 4 bytes of data below 4 of flag: so a word with a later flag is the larger one.
struct alignas(8) Packet8 {
  static constexpr std::uint64_t kPayloadBytes = 4;
  std::uint64_t word;
};

/// Two such words, written by one instruction. Each has its own flag: the halves may arrive apart.
struct alignas(16) Packet16 {
  static constexpr std::uint64_t kPayloadBytes = 8;
  std::uint64_t word[2];
};

/// As PacketLine, with a larger share of data.
struct alignas(128) Line128 {
  static constexpr std::uint64_t kPayloadBytes = 120;
  std::byte payload[kPayloadBytes];
  std::uint64_t tag;
};
static_assert(sizeof(Packet8) == 8 && sizeof(Packet16) == 16 && sizeof(Line128) == 128);

/// How many `P` carry `bytes`.
template <class P>
SLUICE_FN constexpr std::uint64_t packets_of(std::uint64_t bytes) {
  return bytes == 0 ? 1 : bytes / P::kPayloadBytes + (bytes % P::kPayloadBytes != 0);
}

namespace small_packet {

SLUICE_FN std::uint64_t least(std::uint64_t a, std::uint64_t b) { return a < b ? a : b; }

/// Up to 4 bytes from `source` below `flag`.
SLUICE_FN std::uint64_t pack(const std::byte* source, std::uint64_t bytes, std::uint32_t flag) {
  std::uint32_t data = 0;
  if (bytes == sizeof data)
    port::copy_bytes(&data, source, sizeof data);
  else
    for (std::uint64_t i = 0; i < bytes; ++i)
      data |= static_cast<std::uint32_t>(source[i]) << (8 * i);
  return std::uint64_t{flag} << 32 | data;
}
SLUICE_FN void unpack(std::byte* destination, std::uint64_t bytes, std::uint64_t word) {
  const auto data = static_cast<std::uint32_t>(word);
  if (bytes == sizeof data) return port::copy_bytes(destination, &data, sizeof data);
  for (std::uint64_t i = 0; i < bytes; ++i)
    destination[i] = static_cast<std::byte>(data >> (8 * i));
}

SLUICE_FN void copy_line(std::byte* to, const std::byte* from, std::uint64_t bytes) {
  std::uint64_t i = 0;
  for (; i + sizeof(std::uint64_t) <= bytes; i += sizeof(std::uint64_t))
    port::copy_bytes(to + i, from + i, sizeof(std::uint64_t));
  for (; i < bytes; ++i) to[i] = from[i];
}

SLUICE_FN void put_one(Packet8& packet, const std::byte* source, std::uint64_t bytes,
                       std::uint64_t flag) {
  port::store_relaxed(&packet.word, pack(source, bytes, static_cast<std::uint32_t>(flag)));
}
SLUICE_FN void put_one(Packet16& packet, const std::byte* source, std::uint64_t bytes,
                       std::uint64_t flag) {
  const std::uint64_t first = least(bytes, 4);
  const auto small = static_cast<std::uint32_t>(flag);
  port::store_pair_relaxed(packet.word, pack(source, first, small),
                           pack(source + first, bytes - first, small));
}
SLUICE_FN void put_one(Line128& line, const std::byte* source, std::uint64_t bytes,
                       std::uint64_t tag) {
  copy_line(line.payload, source, bytes);
  port::store_release(&line.tag, tag);  // pairs with the acquire in receive_one()
}

/// Whether it came; false after a failed wait.
SLUICE_FN bool receive_one(const Packet8& packet, std::byte* destination, std::uint64_t bytes,
                           std::uint64_t flag, WaitState& waits, std::int32_t peer) {
  const std::uint64_t target = flag << 32;
  const std::uint64_t word = wait_at_least(waits, &packet.word, target, peer);
  if (word < target) return false;
  unpack(destination, bytes, word);
  return true;
}
SLUICE_FN bool receive_one(const Packet16& packet, std::byte* destination, std::uint64_t bytes,
                           std::uint64_t flag, WaitState& waits, std::int32_t peer) {
  const std::uint64_t target = flag << 32;
  std::uint64_t word[2];
  port::load_pair_relaxed(packet.word, word[0], word[1]);
  for (unsigned half = 0; half < 2; ++half) {
    if (word[half] < target) word[half] = wait_at_least(waits, &packet.word[half], target, peer);
    if (word[half] < target) return false;
  }
  const std::uint64_t first = least(bytes, 4);
  unpack(destination, first, word[0]);
  unpack(destination + first, bytes - first, word[1]);
  return true;
}
SLUICE_FN bool receive_one(const Line128& line, std::byte* destination, std::uint64_t bytes,
                           std::uint64_t tag, WaitState& waits, std::int32_t peer) {
  if (wait_at_least(waits, &line.tag, tag, peer) < tag) return false;
  copy_line(destination, line.payload, bytes);
  return true;
}

}  // namespace small_packet

/// Writes `bytes` from `source` as packets_of<P>(bytes) packets with `flag`; by all threads of
/// `group`. Flags of Packet8 and Packet16 have 32 bits.
template <class P, ThreadGroup Group>
SLUICE_FN void put_small_packets(const Group& group, P* packets, const std::byte* source,
                                 std::uint64_t bytes, std::uint64_t flag) {
  const std::uint64_t count = packets_of<P>(bytes);
  for (std::uint64_t i = group.rank(); i < count; i += group.size()) {
    const std::uint64_t offset = i * P::kPayloadBytes;
    small_packet::put_one(packets[i], source + offset,
                          small_packet::least(bytes - offset, P::kPayloadBytes), flag);
  }
}

/// Waits for packets with at least `flag` and copies what they carry to `destination`. The same
/// result for all threads, after a barrier; false after a wait for `peer` that failed.
template <class P, ThreadGroup Group>
SLUICE_FN bool receive_small_packets(const Group& group, WaitState& waits, const P* packets,
                                     std::byte* destination, std::uint64_t bytes,
                                     std::uint64_t flag, std::int32_t peer) {
  const std::uint64_t count = packets_of<P>(bytes);
  bool missed = false;
  for (std::uint64_t i = group.rank(); i < count && !missed; i += group.size()) {
    const std::uint64_t offset = i * P::kPayloadBytes;
    missed = !small_packet::receive_one(packets[i], destination + offset,
                                        small_packet::least(bytes - offset, P::kPayloadBytes), flag,
                                        waits, peer);
  }
  return !group.any(missed);
}

}  // namespace sluice
