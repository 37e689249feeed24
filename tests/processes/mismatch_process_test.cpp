// Calls that do not fit each other are reported on every rank, soon, naming both. Ranks are
// processes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/mismatch.hpp"

namespace sluice::test {
namespace {

class MismatchProcesses : public testing::TestWithParam<std::size_t> {};

TEST_P(MismatchProcesses, is_told_to_every_rank) {
  for (const Mismatch& mismatch : mismatches(GetParam())) {
    SCOPED_TRACE(mismatch.name);
    EXPECT_EQ(spawn_processes(3, [&](Communicator& c) { return run_mismatch(c, mismatch, 1); }),
              "");
  }
}
INSTANTIATE_TEST_SUITE_P(Count, MismatchProcesses, testing::Values(5, 200'000),
                         [](const auto& each) { return fmt::format("{}", each.param); });

}  // namespace
}  // namespace sluice::test
