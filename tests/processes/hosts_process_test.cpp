// Ranks on several hosts: this one under several names, with TCP between them. Every algorithm that
// runs there, over hosts of one rank and of several, as many on each and not, in order and mixed.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "support/messages.hpp"
#include "support/mismatch.hpp"
#include "support/ranks.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

struct Layout {
  std::vector<int> hosts;  // by rank
  bool even;
};
const Layout kLayouts[] = {
    {{0, 1}, true},     {{0, 0, 1, 1}, true}, {{0, 1, 0, 1}, true},     {{0, 1, 1}, false},
    {{0, 0, 1}, false}, {{0, 1, 2}, true},    {{0, 0, 1, 2, 1}, false}, {{0, 1, 2, 2, 1, 0}, true}};

class HostsProcesses : public testing::TestWithParam<Collective> {
 protected:
  static void run(const AlgorithmDescription& algorithm, const Layout& layout) {
    SCOPED_TRACE(fmt::format("{} hosts {}", algorithm.name, fmt::join(layout.hosts, " ")));
    Launch launch;
    launch.options.algorithm = option_of(algorithm);
    launch.hosts = layout.hosts;
    const int ranks = static_cast<int>(layout.hosts.size());
    Sweep sweep{algorithm, ranks, Depth::kShort};
    sweep.may_fall_back = algorithm.needs_hosts && !layout.even;
    const auto cases = cases_of(sweep);
    EXPECT_EQ(spawn_processes(
                  ranks, [&](Communicator& c) { return run_sweep(c, sweep, cases); }, launch),
              "");
  }
};

TEST_P(HostsProcesses, every_algorithm) {
  for (const AlgorithmDescription& algorithm : algorithms())
    if (algorithm.collective == GetParam() && !algorithm.needs_mapped)
      for (const Layout& layout : kLayouts) run(algorithm, layout);
}

std::vector<Collective> collectives() {
  std::vector<Collective> all;
  for (int c = 0; c < kCollectiveCount; ++c) all.push_back(static_cast<Collective>(c));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Every, HostsProcesses, testing::ValuesIn(collectives()),
                         [](const auto& each) { return std::string(name(each.param)); });

/// A call that is many pieces on every link and many slices of every stage.
TEST(AcrossHosts, a_large_call_of_every_algorithm) {
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (algorithm.needs_mapped) continue;
    SCOPED_TRACE(option_of(algorithm));
    Launch launch;
    launch.options.algorithm = option_of(algorithm);
    launch.hosts = {0, 0, 1, 1};
    const Sweep sweep{algorithm, 4, Depth::kShort};
    Case large = cases_of(sweep).back();
    large.type = DataType::kFloat32;
    large.count = 700'001;
    EXPECT_EQ(spawn_processes(
                  4, [&](Communicator& c) { return run_sweep(c, sweep, {large}); }, launch),
              "");
  }
}

TEST(AcrossHosts, messages) {
  for (const std::vector<int>& hosts : {std::vector{0, 1}, std::vector{0, 0, 1}}) {
    Launch launch;
    launch.hosts = hosts;
    const int ranks = static_cast<int>(hosts.size());
    EXPECT_EQ(spawn_processes(ranks, exchange_everything, launch), "");
    EXPECT_EQ(spawn_processes(
                  ranks, [](Communicator& c) { return random_all_to_all_v(c, 10); }, launch),
              "");
  }
}

TEST(AcrossHosts, calls_that_do_not_fit_are_told_to_every_rank) {
  Launch launch;
  launch.hosts = {0, 1, 0};
  for (const std::size_t count : {5, 200'000})
    for (const Mismatch& mismatch : mismatches(count)) {
      SCOPED_TRACE(mismatch.name);
      EXPECT_EQ(spawn_processes(
                    3, [&](Communicator& c) { return run_mismatch(c, mismatch, 1); }, launch),
                "");
    }
}

TEST(AcrossHosts, split_makes_communicators_of_any_ranks) {
  Launch launch;
  launch.hosts = {0, 0, 1, 1};
  EXPECT_EQ(spawn_processes(
                4,
                [](Communicator& c) {
                  auto part = c.split(c.rank() % 2, c.rank());
                  if (!part.ok()) return text_of(part.status());
                  const float mine = static_cast<float>(c.rank());
                  float sum = -1;
                  const Status status =
                      part->all_reduce(&mine, &sum, 1, DataType::kFloat32, ReduceOp::kSum);
                  if (!status.ok()) return text_of(status);
                  const float wanted = c.rank() % 2 == 0 ? 2 : 4;
                  return sum == wanted ? std::string() : fmt::format("found {}", sum);
                },
                launch),
            "");
}

TEST(AcrossHosts, user_channels_say_that_they_cannot_reach) {
  Launch launch;
  launch.hosts = {0, 1};
  EXPECT_EQ(spawn_processes(
                2,
                [](Communicator& c) {
                  float value = 0;
                  const auto channels = make_channels(c, &value, sizeof value);
                  if (channels.ok()) return std::string("channels were made");
                  const std::string text = last_error();
                  return text.find("is on another host") != std::string::npos ? "" : text;
                },
                launch),
            "");
}

TEST(AcrossHosts, transports_for_one_host_are_refused) {
  for (const char* transport : {"shm", "loopback"}) {
    Launch launch;
    launch.options.transport = transport;
    launch.hosts = {0, 1};
    const std::string said = spawn_processes(
        2, [](Communicator&) { return std::string("was created"); }, launch);
    EXPECT_NE(said.find("are on 2 hosts"), std::string::npos) << said;
  }
}

}  // namespace
}  // namespace sluice::test
