// Messages on streams among ranks on several hosts, as far as one machine has them: through the
// hosts, in turns and pieces.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iterator>
#include <vector>

#include "gpu_messages.hpp"

namespace sluice::test {
namespace {

/// Two ranks on the first host, one on the second: all messages go through the hosts.
TEST(GpuMessagesBetweenHosts, exchange_everything_head_to_head) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_gpu_hosts({0, 0, 1},
                            [](Communicator& c) -> std::string {
                              GpuMessages messages(c);
                              for (int i = 0; i < 2; ++i)
                                if (auto error = exchange_everything_by(
                                        c, [&](auto all) { return messages.exchange(all); });
                                    !error.empty())
                                  return error;
                              return text_of(c.barrier());
                            }),
            "");
}

TEST(GpuMessagesBetweenHosts, all_to_all_v_with_random_counts_and_gaps) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_gpu_hosts(
                {0, 1, 1},
                [](Communicator& c) -> std::string {
                  GpuMessages messages(c);
                  if (auto error = random_all_to_all_v_by(
                          c, 4, [&](RaggedAllToAll& call) { return messages.all_to_all_v(call); });
                      !error.empty())
                    return error;
                  return text_of(c.barrier());
                }),
            "");
}

/// Several messages of several pieces to one peer, which receives them among others.
TEST(GpuMessagesBetweenHosts, go_in_turns_and_pieces) {
  SLUICE_NEEDS_GPU();
  constexpr std::size_t kCounts[] = {700'000, 1, 0, 400'000};
  EXPECT_EQ(spawn_gpu_hosts(
                {0, 0, 1},
                [&](Communicator& c) -> std::string {
                  const int to = (c.rank() + 1) % 3, from = (c.rank() + 2) % 3;
                  std::vector<std::vector<float>> sent, received;
                  std::vector<Transfer> transfers;
                  for (const std::size_t count : kCounts) {
                    sent.emplace_back(count);
                    for (std::size_t i = 0; i < count; ++i)
                      sent.back()[i] = static_cast<float>(i * 3 + count + c.rank());
                    received.emplace_back(count, -1.0F);
                  }
                  for (std::size_t m = 0; m < std::size(kCounts); ++m) {  // as bytes: the helper's
                    const std::size_t bytes = kCounts[m] * sizeof(float);
                    transfers.push_back({.direction = Direction::kSend,
                                         .peer = to,
                                         .source = sent[m].data(),
                                         .count = bytes,
                                         .type = DataType::kUint8});
                    transfers.push_back({.direction = Direction::kReceive,
                                         .peer = from,
                                         .destination = received[m].data(),
                                         .count = bytes,
                                         .type = DataType::kUint8});
                  }
                  GpuMessages messages(c);
                  if (!messages.exchange(transfers).ok()) return last_error();
                  for (std::size_t m = 0; m < std::size(kCounts); ++m)
                    for (std::size_t i = 0; i < kCounts[m]; ++i)
                      if (received[m][i] != static_cast<float>(i * 3 + kCounts[m] + from))
                        return fmt::format("message {}, element {}: {}", m, i, received[m][i]);
                  return text_of(c.barrier());
                }),
            "");
}

TEST(GpuMessagesBetweenHosts, can_be_captured) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(
      spawn_gpu_hosts({0, 0, 1},
                      [](Communicator& c) -> std::string {
                        Ring ring(c, 500'000);
                        const Stream stream = ring.rank.stream();
                        if (auto error = ring.set(static_cast<float>(c.rank())); !error.empty())
                          return error;
                        static_cast<void>(device::Graph::begin(stream));
                        const Status sent = ring.pass_on(), copied = ring.copy_back();
                        const auto graph = device::Graph::end(stream);
                        if (!sent.ok() || !copied.ok() || !graph.ok()) return last_error();
                        constexpr int kReplays = 4;
                        for (int i = 0; i < kReplays; ++i)
                          if (!graph.value().launch(stream).ok()) return last_error();
                        if (auto error = ring.rank.finish(); !error.empty()) return error;
                        const int from = (c.rank() + 3 * kReplays - kReplays) % 3;
                        if (auto error = ring.expect(static_cast<float>(from)); !error.empty())
                          return error;
                        return text_of(c.barrier());
                      }),
      "");
}

TEST(GpuMessagesBetweenHosts, of_another_size_are_named_with_both) {
  SLUICE_NEEDS_GPU();
  // The last one's first pieces are equally long.
  constexpr std::pair<std::size_t, std::size_t> kSizes[] = {
      {1, 2}, {0, 7}, {3000, 2999}, {2'000'000, 1'500'000}};
  for (const auto& [sent, wanted] : kSizes) {
    const std::string told = told_to_receiver(
        [&](OnStream on, std::byte* memory) { return send_floats(on, memory, sent); },
        [&](OnStream on, std::byte* memory) { return on.receive(memory, wanted, kFloat, 0); },
        Errc::kInvalidUsage, {0, 1});
    EXPECT_NE(
        told.find(fmt::format("expected {} bytes from rank 0, found {}", wanted * 4, sent * 4)),
        std::string::npos)
        << told;
  }
}

}  // namespace
}  // namespace sluice::test
