// Packets of 8 and 16 bytes and lines of 128, sent between groups of host threads.
#include "channel/small_packet.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "support/host_team.hpp"

namespace sluice {
namespace {

using test::HostTeam;
using test::TeamBarrier;

template <class P>
class SmallPackets : public testing::Test {};
using Forms = testing::Types<Packet8, Packet16, Line128>;
TYPED_TEST_SUITE(SmallPackets, Forms);

TYPED_TEST(SmallPackets, as_many_as_the_bytes_need) {
  constexpr std::uint64_t kPayload = TypeParam::kPayloadBytes;
  EXPECT_EQ(packets_of<TypeParam>(0), 1u);
  EXPECT_EQ(packets_of<TypeParam>(1), 1u);
  EXPECT_EQ(packets_of<TypeParam>(kPayload), 1u);
  EXPECT_EQ(packets_of<TypeParam>(kPayload + 1), 2u);
  EXPECT_EQ(packets_of<TypeParam>(~0ull), ~0ull / kPayload + (~0ull % kPayload != 0));
}

TYPED_TEST(SmallPackets, every_length_arrives_and_no_byte_more) {
  std::vector<TypeParam> packets(packets_of<TypeParam>(300));
  std::memset(static_cast<void*>(packets.data()), 0, packets.size() * sizeof(TypeParam));
  WaitState waits{.timeout_ns = 1'000'000'000};
  std::uint64_t flag = 0;
  for (std::uint64_t bytes = 0; bytes <= 300; ++bytes) {
    std::vector<std::byte> sent(bytes + 1), received(bytes + 1, std::byte{0xee});
    for (std::uint64_t i = 0; i < bytes; ++i) sent[i] = static_cast<std::byte>(i * 7 + bytes);
    ++flag;
    put_small_packets(HostThread{}, packets.data(), sent.data(), bytes, flag);
    ASSERT_TRUE(receive_small_packets(HostThread{}, waits, packets.data(), received.data(), bytes,
                                      flag, 1));
    ASSERT_EQ(std::memcmp(sent.data(), received.data(), bytes), 0) << bytes;
    EXPECT_EQ(received[bytes], std::byte{0xee}) << bytes;
  }
}

TYPED_TEST(SmallPackets, groups_exchange_them_many_times) {
  constexpr unsigned kThreads = 2;
  constexpr std::uint64_t kBytes = 515, kRounds = 300;
  const std::uint64_t count = packets_of<TypeParam>(kBytes);
  // Two halves in turn, by the parity of the round, as docs/channels.md says.
  std::vector<TypeParam> rooms[2] = {std::vector<TypeParam>(2 * count),
                                     std::vector<TypeParam>(2 * count)};
  for (auto& room : rooms)
    std::memset(static_cast<void*>(room.data()), 0, room.size() * sizeof(TypeParam));
  std::uint64_t wrong[2][kThreads] = {};
  std::vector<std::byte> own[2], theirs[2];
  TeamBarrier barriers[2] = {TeamBarrier(kThreads), TeamBarrier(kThreads)};
  WaitState waits[2] = {{.timeout_ns = 20'000'000'000}, {.timeout_ns = 20'000'000'000}};
  std::vector<std::thread> threads;
  for (unsigned rank = 0; rank < 2; ++rank) {
    own[rank].resize(kBytes);
    theirs[rank].resize(kBytes);
    for (unsigned t = 0; t < kThreads; ++t)
      threads.emplace_back([&, rank, t] {
        const HostTeam group(barriers[rank], t, kThreads);
        for (std::uint64_t round = 1; round <= kRounds; ++round) {
          for (std::uint64_t i = t; i < kBytes; i += kThreads)
            own[rank][i] = static_cast<std::byte>(i + round * (rank + 1));
          group.sync();
          const std::uint64_t half = round % 2 * count;
          put_small_packets(group, rooms[1 - rank].data() + half, own[rank].data(), kBytes, round);
          if (!receive_small_packets(group, waits[rank], rooms[rank].data() + half,
                                     theirs[rank].data(), kBytes, round,
                                     static_cast<std::int32_t>(1 - rank)))
            return void(wrong[rank][t] += kBytes);
          for (std::uint64_t i = t; i < kBytes; i += kThreads)
            wrong[rank][t] += theirs[rank][i] != static_cast<std::byte>(i + round * (2 - rank));
        }
      });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_rank : wrong)
    for (const std::uint64_t each : of_rank) EXPECT_EQ(each, 0u);
}

TYPED_TEST(SmallPackets, one_that_never_comes_is_a_failure_that_names_the_peer) {
  TypeParam packet;
  std::memset(static_cast<void*>(&packet), 0, sizeof packet);
  WaitState waits{.timeout_ns = 10'000'000};
  std::byte to[4] = {};
  EXPECT_FALSE(receive_small_packets(HostThread{}, waits, &packet, to, 4, 1, 5));
  EXPECT_EQ(waits.failure.outcome, WaitOutcome::kTimeout);
  EXPECT_EQ(waits.failure.peer, 5);
}

}  // namespace
}  // namespace sluice
