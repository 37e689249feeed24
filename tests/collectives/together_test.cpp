// Several communicators at once, split ones, more ranks than cores, long runs; equal bits. Ranks
// are threads.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "support/soak.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

TEST(Bits, are_the_same_on_all_ranks_in_all_runs_and_at_every_alignment) {
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (algorithm.collective != Collective::kAllReduce) continue;
    SCOPED_TRACE(algorithm.name);
    constexpr int kRanks = 5;
    Options options;
    options.algorithm = option_of(algorithm);
    std::vector<std::vector<std::uint64_t>> hashes;
    for (const std::size_t shift : {0, 0, 4, 1}) {
      std::vector<std::vector<std::uint64_t>> of_rank(kRanks);
      const std::uint64_t seed = hashes.size() * 100;
      EXPECT_EQ(spawn_threads(
                    kRanks,
                    [&](Communicator& c) {
                      return reduce_and_hash(c, seed, shift,
                                             of_rank[static_cast<std::size_t>(c.rank())]);
                    },
                    options),
                "");
      hashes.insert(hashes.end(), of_rank.begin(), of_rank.end());
    }
    for (const auto& each : hashes) EXPECT_EQ(each, hashes.front());
  }
}

TEST(Together, several_communicators_at_once) {
  std::vector<std::string> errors(4);
  std::vector<std::thread> jobs;
  for (std::size_t job = 0; job < errors.size(); ++job)
    jobs.emplace_back([&, job] {
      Options options;
      const auto transports = thread_transports();
      options.transport = transports[job % transports.size()];
      errors[job] = spawn_threads(
          3, [&](Communicator& c) { return run_soak(c, {.operations = 150, .seed = job}); },
          options);
    });
  for (std::thread& job : jobs) job.join();
  for (const std::string& error : errors) EXPECT_EQ(error, "");
}

/// Each rank drives two more communicators of the same ranks from threads of their own.
TEST(Together, one_rank_drives_several) {
  const auto body = [](Communicator& c) -> std::string {
    std::string errors[2];
    std::vector<Communicator> more;
    for (int i = 0; i < 2; ++i) {
      auto made = c.split(0, c.rank());
      if (!made.ok()) return text_of(made.status());
      more.push_back(std::move(made).value());
    }
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < more.size(); ++i)
      threads.emplace_back(
          [&, i] { errors[i] = run_soak(more[i], {.operations = 100, .seed = 10 + i}); });
    std::string own = run_soak(c, {.operations = 100});
    for (std::thread& thread : threads) thread.join();
    return own + errors[0] + errors[1];
  };
  EXPECT_EQ(spawn_threads(3, body), "");
}

TEST(Together, split_by_color_and_key_and_split_again) {
  const auto body = [](Communicator& c) -> std::string {
    auto half = c.split(c.rank() % 2, -c.rank());  // the odd and the even ranks, in reverse
    if (!half.ok()) return text_of(half.status());
    const int expected_size = (c.size() + 1 - c.rank() % 2) / 2;
    if (half->size() != expected_size)
      return fmt::format("{} ranks, expected {}", half->size(), expected_size);
    if (half->rank() != expected_size - 1 - c.rank() / 2)
      return fmt::format("rank {} in its half", half->rank());
    if (std::string error = run_soak(half.value(), {.operations = 40, .seed = 3}); !error.empty())
      return "half: " + error;
    auto quarter = half->split(half->rank() == 0 ? -1 : 7, 0);  // one stays out
    if (!quarter.ok()) return text_of(quarter.status());
    if (half->rank() == 0) {
      if (quarter->valid()) return "a negative color got a communicator";
    } else {
      if (quarter->size() != expected_size - 1 || quarter->rank() != half->rank() - 1)
        return "wrong split of the split";
      if (std::string error = run_soak(quarter.value(), {.operations = 40, .seed = 4});
          !error.empty())
        return "quarter: " + error;
    }
    return run_soak(c, {.operations = 40, .seed = 5});
  };
  EXPECT_EQ(spawn_threads(7, body), "");
}

TEST(Together, more_ranks_than_cores) {
  EXPECT_EQ(spawn_threads(
                16, [](Communicator& c) { return run_soak(c, {.operations = 150, .seed = 6}); }),
            "");
}

TEST(Together, Soak) {
  for (const int ranks : {2, 5})
    EXPECT_EQ(spawn_threads(ranks,
                            [](Communicator& c) {
                              return run_soak(
                                  c, {.operations = 10'000, .seed = 7, .largest_count = 60'000});
                            }),
              "");
}

}  // namespace
}  // namespace sluice::test
