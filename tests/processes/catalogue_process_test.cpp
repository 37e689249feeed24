// Every algorithm of the catalogue with ranks that are processes: ordinary and sluice::alloc
// memory, and both mixed; with and without cross-memory attach.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/ranks.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

struct Reach {
  const char* name;
  Memory memory;
  const char* attach;  // SLUICE_ATTACH
};
constexpr Reach kReaches[] = {{"ordinary", Memory::kOrdinary, "1"},
                              {"ordinary_no_attach", Memory::kOrdinary, "0"},
                              {"registered", Memory::kRegistered, "0"},
                              {"mixed", Memory::kMixed, "1"},
                              {"mixed_no_attach", Memory::kMixed, "0"}};

class CatalogueProcesses : public testing::TestWithParam<Collective> {
 protected:
  /// All algorithms of the collective, each forced in turn.
  void run_all(int ranks, Depth depth, const Reach& reach) {
    for (const AlgorithmDescription& algorithm : algorithms()) {
      if (algorithm.collective != GetParam() || algorithm.needs_hosts) continue;
      SCOPED_TRACE(fmt::format("{} ranks {} {}", algorithm.name, ranks, reach.name));
      Launch launch;
      launch.options.algorithm = option_of(algorithm);
      launch.environment = {{"SLUICE_ATTACH", reach.attach}};
      const Sweep sweep{algorithm, ranks, depth, reach.memory,
                        algorithm.needs_direct && reach.memory != Memory::kRegistered};
      const auto cases = cases_of(sweep);
      EXPECT_EQ(spawn_processes(
                    ranks, [&](Communicator& c) { return run_sweep(c, sweep, cases); }, launch),
                "");
    }
  }
};

TEST_P(CatalogueProcesses, ranks2) {
  for (const Reach& reach : kReaches) run_all(2, Depth::kShort, reach);
}
TEST_P(CatalogueProcesses, ranks3) {
  for (const Reach& reach : kReaches) run_all(3, Depth::kShort, reach);
}
TEST_P(CatalogueProcesses, ranks1_4_to_9) {
  for (const int ranks : {1, 4, 5, 6, 7, 8, 9})
    run_all(ranks, Depth::kShort, kReaches[static_cast<std::size_t>(ranks) % std::size(kReaches)]);
}
TEST_P(CatalogueProcesses, Exhaustive) {
  for (const Reach& reach : kReaches) run_all(4, Depth::kFull, reach);
}

std::vector<Collective> collectives() {
  std::vector<Collective> all;
  for (int c = 0; c < kCollectiveCount; ++c) all.push_back(static_cast<Collective>(c));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Every, CatalogueProcesses, testing::ValuesIn(collectives()),
                         [](const auto& each) { return std::string(name(each.param)); });

}  // namespace
}  // namespace sluice::test
