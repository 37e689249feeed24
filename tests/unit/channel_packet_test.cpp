// Packets: every size, tags that do not fit, two threads at once.
#include "channel/packet.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace sluice {
namespace {

constexpr std::byte kUntouched{0xee};
constexpr std::uint64_t kLongest = 5000;

WaitState impatient() {
  WaitState waits;
  waits.timeout_ns = 20'000'000;
  return waits;
}

std::vector<std::byte> pattern(std::uint64_t bytes, std::uint64_t seed) {
  std::vector<std::byte> made(bytes);
  for (std::uint64_t i = 0; i < bytes; ++i) made[i] = static_cast<std::byte>(i * 7 + seed * 13 + 1);
  return made;
}

TEST(ChannelPacket, copy_payload_copies_every_size_and_nothing_else) {
  for (std::uint64_t bytes = 0; bytes <= PacketLine::kPayloadBytes; ++bytes) {
    const auto source = pattern(bytes, bytes);
    std::vector<std::byte> destination(PacketLine::kPayloadBytes + 16, kUntouched);
    copy_payload(destination.data() + 8, source.data(), bytes);
    ASSERT_TRUE(std::equal(source.begin(), source.end(), destination.begin() + 8)) << bytes;
    for (std::uint64_t i = 0; i < destination.size(); ++i) {
      if (i >= 8 && i < 8 + bytes) continue;
      ASSERT_EQ(destination[i], kUntouched) << bytes << " at " << i;
    }
  }
}

TEST(ChannelPacket, a_message_has_as_many_lines_as_it_needs_and_at_least_one) {
  static_assert(packet_lines(0) == 1 && packet_lines(1) == 1 && packet_lines(56) == 1);
  static_assert(packet_lines(57) == 2 && packet_lines(112) == 2 && packet_lines(113) == 3);
}

TEST(ChannelPacket, every_size_arrives_whole_with_growing_tags_over_the_same_lines) {
  const HostThread group;
  std::vector<PacketLine> lines(packet_lines(kLongest) + 1);
  std::uint64_t tag = 0;
  for (std::uint64_t bytes = 0; bytes <= kLongest; bytes += bytes < 300 ? 1 : 41) {
    auto waits = impatient();
    const auto source = pattern(bytes, ++tag);
    lines[packet_lines(bytes)].tag = ~0ull;
    put_packets(group, lines.data(), source.data(), bytes, tag);
    ASSERT_EQ(lines[packet_lines(bytes)].tag, ~0ull) << "wrote behind the last line of " << bytes;
    std::vector<std::byte> destination(bytes + 1, kUntouched);
    ASSERT_EQ(receive_packets(group, waits, lines.data(), destination.data(), bytes, tag, 1), tag);
    ASSERT_TRUE(std::equal(source.begin(), source.end(), destination.begin())) << bytes;
    ASSERT_EQ(destination[bytes], kUntouched) << bytes;
  }
}

TEST(ChannelPacket, lines_with_a_lower_tag_are_not_taken) {
  const HostThread group;
  std::vector<PacketLine> lines(3);
  const auto source = pattern(150, 1);
  put_packets(group, lines.data(), source.data(), 150, 7);
  lines[2].tag = 6;  // the last line is still the previous message's
  auto waits = impatient();
  std::vector<std::byte> destination(150, kUntouched);
  EXPECT_LT(receive_packets(group, waits, lines.data(), destination.data(), 150, 7, 3), 7u);
  EXPECT_EQ(waits.failed, 1u);
  EXPECT_EQ(waits.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(waits.failure.peer, 3);
  EXPECT_EQ(destination[149], kUntouched);
}

TEST(ChannelPacket, a_higher_tag_is_seen_so_that_a_peer_ahead_is_noticed) {
  const HostThread group;
  PacketLine line{};
  auto waits = impatient();
  std::byte payload[8]{};
  put_packets(group, &line, payload, 8, 9);
  EXPECT_EQ(receive_packets(group, waits, &line, payload, 8, 5, 0), 9u);
  EXPECT_EQ(waits.failed, 0u);
}

TEST(ChannelPacket, two_threads_play_ping_pong_without_a_torn_message) {
  constexpr std::uint64_t kRounds = 10'000, kBytes = 200;
  std::vector<PacketLine> there(packet_lines(kBytes)), back(packet_lines(kBytes));
  const auto play = [&](PacketLine* out, PacketLine* in, bool serves) -> std::uint64_t {
    const HostThread group;
    WaitState waits;
    waits.timeout_ns = 20'000'000'000;
    std::vector<std::uint64_t> words(kBytes / 8);
    auto* bytes = reinterpret_cast<std::byte*>(words.data());
    std::uint64_t torn = 0;
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      for (const bool sends : {serves, !serves}) {
        if (sends) {
          std::fill(words.begin(), words.end(), round * 2 + serves);
          put_packets(group, out, bytes, kBytes, round);
        } else {
          if (receive_packets(group, waits, in, bytes, kBytes, round, 0) != round) return ~0ull;
          for (const std::uint64_t word : words) torn += word != round * 2 + !serves;
        }
      }
    }
    return torn;
  };
  std::uint64_t torn[2];
  std::thread peer([&] { torn[1] = play(back.data(), there.data(), false); });
  torn[0] = play(there.data(), back.data(), true);
  peer.join();
  EXPECT_EQ(torn[0], 0u);
  EXPECT_EQ(torn[1], 0u);
}

}  // namespace
}  // namespace sluice
