// Calls that do not fit each other are reported on every rank of every host, soon, naming both.
#include <fmt/format.h>

#include "on_hosts.hpp"
#include "support/mismatch.hpp"

namespace sluice::test {
namespace {

class MismatchHosts : public OnHostsWith<std::size_t> {};

TEST_P(MismatchHosts, is_told_to_every_rank) {
  const NetworkHosts hosts(2);
  Launch launch;
  launch.place = spread(hosts, 2);  // the odd one has a rank beside it and two on the other host
  for (const Mismatch& mismatch : mismatches(GetParam())) {
    SCOPED_TRACE(mismatch.name);
    EXPECT_EQ(spawn_processes(
                  4, [&](Communicator& c) { return run_mismatch(c, mismatch, 1); }, launch),
              "");
  }
}
INSTANTIATE_TEST_SUITE_P(Count, MismatchHosts, testing::Values(5, 200'000),
                         [](const auto& each) { return fmt::format("{}", each.param); });

}  // namespace
}  // namespace sluice::test
