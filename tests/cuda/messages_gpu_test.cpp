// Messages on streams: many at once in awkward patterns, in graphs, among collectives; and what is
// said of those that do not fit.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "gpu_messages.hpp"

namespace sluice::test {
namespace {

TEST(GpuMessages, exchange_everything_head_to_head) {
  SLUICE_NEEDS_GPU();
  for (const int ranks : {1, 2, 3, 8})  // the last ones with more than one launch carries
    EXPECT_EQ(spawn_gpu_threads(ranks,
                                [](Communicator& c) -> std::string {
                                  GpuMessages messages(c);
                                  for (int i = 0; i < repetitions(100); ++i)
                                    if (auto error = exchange_everything_by(
                                            c, [&](auto all) { return messages.exchange(all); });
                                        !error.empty())
                                      return error;
                                  return text_of(c.barrier());
                                }),
              "")
        << ranks << " ranks";
}

TEST(GpuMessages, all_to_all_v_with_random_counts_and_gaps) {
  SLUICE_NEEDS_GPU();
  for (const int ranks : {1, 2, 5})
    EXPECT_EQ(
        spawn_gpu_threads(
            ranks,
            [](Communicator& c) -> std::string {
              GpuMessages messages(c);
              if (auto error = random_all_to_all_v_by(
                      c, 10, [&](RaggedAllToAll& call) { return messages.all_to_all_v(call); });
                  !error.empty())
                return error;
              return text_of(c.barrier());
            }),
        "")
        << ranks << " ranks";
}

TEST(GpuMessages, a_captured_exchange_can_be_replayed) {
  SLUICE_NEEDS_GPU();
  for (const std::size_t elems : std::vector<std::size_t>{1, 3000, 200'000})
    EXPECT_EQ(
        spawn_gpu_threads(3,
                          [&](Communicator& c) -> std::string {
                            Ring ring(c, elems);
                            const Stream stream = ring.rank.stream();
                            if (auto error = ring.set(static_cast<float>(c.rank())); !error.empty())
                              return error;
                            static_cast<void>(device::Graph::begin(stream));
                            const Status sent = ring.pass_on(), copied = ring.copy_back();
                            const Status barred = c.on(stream).barrier();
                            const auto graph = device::Graph::end(stream);
                            if (!sent.ok() || !copied.ok() || !barred.ok() || !graph.ok())
                              return last_error();
                            const int replays = 1 + repetitions(elems > 10'000 ? 1000 : 5000);
                            for (int i = 0; i < replays; ++i)
                              if (!graph.value().launch(stream).ok()) return last_error();
                            if (auto error = ring.rank.finish(); !error.empty()) return error;
                            const int from = ((c.rank() - replays) % 3 + 3) % 3;
                            if (auto error = ring.expect(static_cast<float>(from)); !error.empty())
                              return error;
                            return text_of(c.barrier());
                          }),
        "")
        << elems << " floats";
}

TEST(GpuMessages, keep_their_place_among_collectives) {
  SLUICE_NEEDS_GPU();
  for (const char* algorithm : {"ring", "two_shot"}) {
    Options options = gpu_options();
    options.algorithm = fmt::format("all_reduce:{}", algorithm);
    EXPECT_EQ(spawn_gpu_threads(
                  2,
                  [](Communicator& c) -> std::string {
                    Ring ring(c, 50'000);
                    if (auto error = ring.set(1); !error.empty()) return error;
                    for (int i = 0; i < 6; ++i) {  // twice as much each time
                      if (!ring.pass_on().ok() || !ring.copy_back().ok()) return last_error();
                      if (!c.on(ring.rank.stream())
                               .all_reduce(ring.data.data(), ring.data.data(), ring.count, kFloat,
                                           ReduceOp::kSum)
                               .ok())
                        return last_error();
                    }
                    if (auto error = ring.rank.finish(); !error.empty()) return error;
                    if (auto error = ring.expect(64); !error.empty()) return error;
                    return text_of(c.barrier());
                  },
                  options),
              "");
  }
}

TEST(GpuMessages, of_another_size_are_named_with_both) {
  SLUICE_NEEDS_GPU();
  // The last two are cut into parts of the same length.
  constexpr std::pair<std::size_t, std::size_t> kSizes[] = {
      {1, 2}, {0, 7}, {3000, 2999}, {100'000, 20'000}, {7 * 4096, 6 * 4096}};
  for (const auto& [sent, wanted] : kSizes) {
    const std::string told = told_to_receiver(
        [&](OnStream on, std::byte* memory) { return send_floats(on, memory, sent); },
        [&](OnStream on, std::byte* memory) { return on.receive(memory, wanted, kFloat, 0); },
        Errc::kInvalidUsage);
    EXPECT_NE(
        told.find(fmt::format("expected {} bytes from rank 0, found {}", wanted * 4, sent * 4)),
        std::string::npos)
        << told;
  }
}

TEST(GpuMessages, of_another_type_are_named_with_both) {
  SLUICE_NEEDS_GPU();
  const std::string told = told_to_receiver(
      [](OnStream on, std::byte* memory) { return send_floats(on, memory, 100); },
      [](OnStream on, std::byte* memory) { return on.receive(memory, 100, DataType::kInt32, 0); },
      Errc::kInvalidUsage);
  EXPECT_NE(told.find("expected a message of int32 from rank 0, found a message of float"),
            std::string::npos)
      << told;
}

TEST(GpuMessages, that_meet_a_collective_are_named) {
  SLUICE_NEEDS_GPU();
  const std::vector<std::size_t> counts{0, 100}, nothing{0, 0};
  const std::string told = told_to_receiver(
      [&](OnStream on, std::byte* memory) {
        return on.all_to_all_v(memory, counts, nothing, memory, nothing, nothing, kFloat);
      },
      [](OnStream on, std::byte* memory) { return on.receive(memory, 100, kFloat, 0); },
      Errc::kInvalidUsage);
  EXPECT_NE(told.find("expected a message of float from rank 0, found a part of a collective"),
            std::string::npos)
      << told;
}

TEST(GpuMessages, that_do_not_come_are_given_up_at_the_deadline) {
  SLUICE_NEEDS_GPU();
  const auto begin = std::chrono::steady_clock::now();
  const std::string told = told_to_receiver(
      [](OnStream, std::byte*) { return Status(); },
      [](OnStream on, std::byte* memory) { return on.receive(memory, 100'000, kFloat, 0); },
      Errc::kTimeout);
  EXPECT_NE(told.find("a message: waited for rank 0, which has not done its part"),
            std::string::npos)
      << told;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(12));
}

TEST(GpuMessages, that_cannot_be_are_argument_errors) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(
      spawn_gpu_threads(
          2,
          [](Communicator& c) -> std::string {
            GpuRank rank(c);
            GpuMemory memory(4096);
            const OnStream on = c.on(rank.stream());
            if (on.send(memory.data(), 1, kFloat, 2).code() != Errc::kInvalidArgument)
              return "a peer that is none";
            if (on.send(memory.data(), 1, kFloat, c.rank()).code() != Errc::kInvalidUsage)
              return "a message to oneself that nobody receives";
            const std::vector<Transfer> many(
                OnStream::kMostTransfers + 2,
                {.direction = Direction::kSend, .peer = 0, .source = memory.data(), .count = 1});
            if (c.rank() == 1 && on.exchange(many).code() != Errc::kInvalidUsage) return "too many";
            return text_of(c.barrier());
          }),
      "");
}

}  // namespace
}  // namespace sluice::test
