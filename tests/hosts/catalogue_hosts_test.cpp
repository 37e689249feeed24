// Every collective between ranks on several hosts: as the library chooses, and with every algorithm
// that needs nothing but links.
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "on_hosts.hpp"
#include "support/messages.hpp"
#include "support/soak.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

struct Placing {
  int hosts, per_host;
};
constexpr Placing kPlacings[] = {{2, 1}, {2, 2}, {2, 3}, {3, 1}, {3, 2}, {3, 3}};

void PrintTo(const Placing& placing, std::ostream* out) {
  *out << placing.hosts << "_hosts_of_" << placing.per_host;
}

class CatalogueHosts : public OnHostsWith<std::tuple<Collective, Placing>> {
 protected:
  void run(const AlgorithmDescription& algorithm, bool chosen) {
    const auto& [collective, placing] = GetParam();
    SCOPED_TRACE(chosen ? "as the library chooses" : std::string(algorithm.name));
    const NetworkHosts hosts(placing.hosts);
    const int ranks = placing.hosts * placing.per_host;
    Launch launch;
    launch.place = spread(hosts, placing.per_host);
    if (!chosen) launch.options.algorithm = option_of(algorithm);
    const Sweep sweep{algorithm, ranks, Depth::kShort, Memory::kMixed, chosen};
    const auto cases = cases_of(sweep);
    EXPECT_EQ(spawn_processes(
                  ranks, [&](Communicator& c) { return run_sweep(c, sweep, cases); }, launch),
              "");
  }
};

TEST_P(CatalogueHosts, gives_the_right_result) {
  bool any = false;
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (algorithm.collective != std::get<0>(GetParam())) continue;
    if (!std::exchange(any, true)) run(algorithm, true);
    if (!algorithm.needs_mapped && !algorithm.needs_direct) run(algorithm, false);
  }
}

std::vector<Collective> collectives() {
  std::vector<Collective> all;
  for (int c = 0; c < kCollectiveCount; ++c) all.push_back(static_cast<Collective>(c));
  return all;
}

std::string name_of(const testing::TestParamInfo<std::tuple<Collective, Placing>>& each) {
  const auto& [collective, placing] = each.param;
  return fmt::format("{}_{}_hosts_of_{}", name(collective), placing.hosts, placing.per_host);
}

INSTANTIATE_TEST_SUITE_P(Every, CatalogueHosts,
                         testing::Combine(testing::ValuesIn(collectives()),
                                          testing::ValuesIn(kPlacings)),
                         name_of);

class HostsTogether : public OnHosts {
 protected:
  std::string spawn(int hosts, int per_host, const Body& body) {
    const NetworkHosts network(hosts);
    Launch launch;
    launch.place = spread(network, per_host);
    return spawn_processes(hosts * per_host, body, launch);
  }
};

TEST_F(HostsTogether, random_calls) {
  EXPECT_EQ(spawn(2, 2,
                  [](Communicator& c) {
                    return run_soak(c, {.operations = 150, .seed = 21, .largest_count = 40'000});
                  }),
            "");
}

/// Large enough for a chain of three hosts to be worth while, in several pieces and a rest.
std::string broadcast_and_reduce_much(Communicator& c) {
  std::vector<std::int32_t> in(700'001), out(in.size());
  const auto value = [](std::size_t i, int rank) {
    return static_cast<std::int32_t>(i % 9973) + 10'000 * rank;
  };
  for (const int root : {0, c.size() - 2}) {
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = value(i, c.rank());
    Status status = c.broadcast(in.data(), out.data(), in.size(), DataType::kInt32, root);
    if (!status.ok()) return text_of(status);
    for (std::size_t i = 0; i < out.size(); ++i)
      if (out[i] != value(i, root)) return fmt::format("broadcast by {}: wrong at {}", root, i);
    status = c.reduce(in.data(), out.data(), in.size(), DataType::kInt32, ReduceOp::kSum, root);
    if (!status.ok()) return text_of(status);
    const std::int32_t ranks = c.size(), of_ranks = 10'000 * (ranks * (ranks - 1) / 2);
    for (std::size_t i = 0; i < out.size() && c.rank() == root; ++i)
      if (out[i] != ranks * value(i, 0) + of_ranks)
        return fmt::format("reduce to {}: wrong at {}", root, i);
  }
  return {};
}

TEST_F(HostsTogether, large_messages_go_along_a_chain) {
  for (const int per_host : {1, 2}) {
    const NetworkHosts network(3);
    Launch launch;
    launch.place = spread(network, per_host);
    launch.options.algorithm = per_host == 1 ? "chain" : "hierarchical";
    EXPECT_EQ(spawn_processes(3 * per_host, broadcast_and_reduce_much, launch), "") << per_host;
  }
}

// On a slow link its last bytes are still in the rank's socket when it has gone.
TEST_F(HostsTogether, what_a_rank_sent_last_arrives_although_it_has_left) {
  const NetworkHosts network(2);
  network.limit(0, "8mbit");
  Launch launch;
  launch.place = spread(network, 1);
  const auto body = [](Communicator& c) -> std::string {
    std::vector<float> in(1 << 18, 1.0f), out(in.size());
    const Status status = c.broadcast(in.data(), out.data(), in.size(), DataType::kFloat32, 0);
    return out == in ? text_of(status) : "wrong: " + text_of(status);
  };
  EXPECT_EQ(spawn_processes(2, body, launch), "");
}

TEST_F(HostsTogether, messages_head_to_head) {
  EXPECT_EQ(spawn(3, 1, exchange_everything), "");
  EXPECT_EQ(spawn(2, 2, exchange_everything), "");
}

TEST_F(HostsTogether, split_within_and_across_hosts) {
  const auto body = [](Communicator& c) -> std::string {
    for (const int color : {c.rank() / 2, c.rank() % 2}) {
      auto part = c.split(color, 0);
      if (!part.ok()) return text_of(part.status());
      if (std::string error = run_soak(part.value(), {.operations = 40, .seed = 3}); !error.empty())
        return error;
    }
    return run_soak(c, {.operations = 40, .seed = 4});
  };
  EXPECT_EQ(spawn(2, 2, body), "");
}

}  // namespace
}  // namespace sluice::test
