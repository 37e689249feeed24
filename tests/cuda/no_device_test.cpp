// What a program hears that asks for a GPU where there is none, or of a communicator without one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "gpu.hpp"
#include "support/ranks.hpp"

namespace sluice::test {
namespace {

#define SLUICE_NEEDS_NO_GPU() \
  if (why_no_gpu().empty()) GTEST_SKIP() << "needs a machine without a GPU"

TEST(NoDevice, to_ask_for_one_fails_on_every_rank_and_says_why) {
  SLUICE_NEEDS_NO_GPU();
  const auto id = UniqueId::create();
  ASSERT_TRUE(id.ok());
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank)
    ranks.emplace_back([&, rank] {
      Options options;
      options.device = 0;
      const auto made = Communicator::create(id.value(), rank, 2, options);
      ASSERT_FALSE(made.ok());
      EXPECT_EQ(made.status().code(), Errc::kSystemError);
      const std::string expected =
          fmt::format("rank {}: device 0 was asked for, and there is none: ", rank);
      EXPECT_EQ(last_error().substr(0, expected.size()), expected);
      EXPECT_GT(last_error().size(), expected.size());
    });
  for (std::thread& rank : ranks) rank.join();
}

TEST(NoDevice, device_memory_is_refused_with_a_sentence) {
  SLUICE_NEEDS_NO_GPU();
  const auto memory = alloc(1024, MemoryKind::kDevice);
  ASSERT_FALSE(memory.ok());
  EXPECT_EQ(memory.status().code(), Errc::kSystemError);
  EXPECT_FALSE(last_error().empty());
}

TEST(NoDevice, nothing_of_host_memory_asks_for_one) {
  EXPECT_EQ(spawn_threads(2,
                          [](Communicator& c) {
                            float one = 1, sum = 0;
                            if (auto error = text_of(c.all_reduce(&one, &sum, 1, DataType::kFloat32,
                                                                  ReduceOp::kSum));
                                !error.empty())
                              return error;
                            return std::string(sum == 2 ? "" : "wrong");
                          }),
            "");
}

TEST(WithoutADevice, calls_on_streams_are_refused) {
  EXPECT_EQ(spawn_threads(2,
                          [](Communicator& c) -> std::string {
                            float one = 1, sum = 0;
                            const Status status = c.on({}).all_reduce(
                                &one, &sum, 1, DataType::kFloat32, ReduceOp::kSum);
                            if (status.code() != Errc::kInvalidUsage)
                              return "code " + text_of(status);
                            if (last_error().find("all_reduce on a stream") == std::string::npos)
                              return last_error();
                            // It was an argument's error: the communicator works on.
                            return text_of(c.barrier());
                          }),
            "");
}

TEST(WithoutADevice, either_all_ranks_ask_for_one_or_none) {
  const auto id = UniqueId::create();
  ASSERT_TRUE(id.ok());
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank)
    ranks.emplace_back([&, rank] {
      Options options;
      options.device = rank - 1;
      const auto made = Communicator::create(id.value(), rank, 2, options);
      ASSERT_FALSE(made.ok());
      EXPECT_EQ(made.status().code(), Errc::kInvalidUsage);
      EXPECT_NE(last_error().find("no device"), std::string::npos) << last_error();
    });
  for (std::thread& rank : ranks) rank.join();
}

}  // namespace
}  // namespace sluice::test
