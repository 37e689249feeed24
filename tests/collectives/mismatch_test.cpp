// Calls that do not fit each other are reported on every rank, soon, naming both. Ranks are
// threads.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/mismatch.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

class MismatchTest : public testing::TestWithParam<std::size_t> {};

TEST_P(MismatchTest, is_told_to_every_rank) {
  for (const Mismatch& mismatch : mismatches(GetParam()))
    for (const int odd_rank : {0, 2}) {
      SCOPED_TRACE(fmt::format("{}, rank {} is the odd one", mismatch.name, odd_rank));
      EXPECT_EQ(
          spawn_threads(3, [&](Communicator& c) { return run_mismatch(c, mismatch, odd_rank); }),
          "");
    }
}
INSTANTIATE_TEST_SUITE_P(Count, MismatchTest, testing::Values(5, 200'000),
                         [](const auto& each) { return fmt::format("{}", each.param); });

/// Each algorithm of a collective notices by itself.
TEST(MismatchOfEachAlgorithm, is_told_to_every_rank) {
  for (const AlgorithmDescription& algorithm : algorithms()) {
    const std::string collective(name(algorithm.collective));
    for (const Mismatch& mismatch : mismatches(9)) {
      const bool here = mismatch.name == "count_" + collective ||
                        mismatch.name == "root_" + collective ||
                        mismatch.name == "counts_" + collective;
      if (!here && !(collective == "all_reduce" && mismatch.name == "operator")) continue;
      SCOPED_TRACE(fmt::format("{} {}", algorithm.name, mismatch.name));
      Options options;
      options.algorithm = option_of(algorithm);
      EXPECT_EQ(spawn_threads(
                    3, [&](Communicator& c) { return run_mismatch(c, mismatch, 1); }, options),
                "");
    }
  }
}

}  // namespace
}  // namespace sluice::test
