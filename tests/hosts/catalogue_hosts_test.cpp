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

// Large enough for a chain of three hosts to be worth while, in several pieces and a rest.
constexpr std::size_t kMany = 700'001;

std::string broadcast_much(Communicator& c, int root) {
  const auto value = [](std::size_t i, int rank) {
    return static_cast<std::int32_t>(i % 9973) + 10'000 * rank;
  };
  std::vector<std::int32_t> data(kMany);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = value(i, c.rank());
  const Status status = c.broadcast(data.data(), data.data(), kMany, DataType::kInt32, root);
  for (std::size_t i = 0; i < data.size() && status.ok(); ++i)
    if (data[i] != value(i, root)) return fmt::format("broadcast by {}: wrong at {}", root, i);
  return text_of(status);
}

/// The average, which is no rank's own number but perhaps the middle one's, in place.
std::string average_much(Communicator& c, int root) {
  std::vector<std::int64_t> data(kMany);
  for (std::size_t i = 0; i < data.size(); ++i)
    data[i] = static_cast<std::int64_t>(i) + 2 * c.rank() - (c.size() - 1);
  const Status status =
      c.reduce(data.data(), data.data(), kMany, DataType::kInt64, ReduceOp::kAverage, root);
  for (std::size_t i = 0; i < data.size() && status.ok() && c.rank() == root; ++i)
    if (data[i] != static_cast<std::int64_t>(i))
      return fmt::format("average to {}: {} at {}", root, data[i], i);
  return text_of(status);
}

/// Whether the last two hosts' sums were added first. 1e8 - 1e8 + 1: by a tree from host 0 it is 1.
std::string adds_along_a_chain(Communicator& c, int per_host) {
  const float parts[] = {1e8f, -1e8f, 1};
  const bool first = c.rank() % per_host == 0;
  std::vector<float> data(kMany, first ? parts[c.rank() / per_host] : 0), sum(kMany);
  const Status status =
      c.reduce(data.data(), sum.data(), kMany, DataType::kFloat32, ReduceOp::kSum, 0);
  if (status.ok() && c.rank() == 0 && sum[kMany / 2] != 0)
    return fmt::format("{}: not added along a chain", sum[kMany / 2]);
  return text_of(status);
}

TEST_F(HostsTogether, large_messages_go_along_a_chain) {
  for (const int per_host : {1, 2}) {
    const NetworkHosts network(3);
    Launch launch;
    launch.place = spread(network, per_host);
    launch.options.algorithm = per_host == 1 ? "chain" : "hierarchical";
    const auto body = [&](Communicator& c) {
      std::string wrong = adds_along_a_chain(c, per_host);
      for (int root = 0; root < c.size() && wrong.empty(); ++root) {
        wrong = broadcast_much(c, root);
        if (wrong.empty()) wrong = average_much(c, root);
      }
      return wrong;
    };
    EXPECT_EQ(spawn_processes(3 * per_host, body, launch), "") << per_host;
  }
}

// A host with one rank only, which is the root or is not.
TEST_F(HostsTogether, large_messages_go_along_a_chain_of_unlike_hosts) {
  const NetworkHosts network(3);
  Launch launch;
  launch.place = [&](int rank) { network.enter(rank == 0 ? 0 : 1 + rank / 3); };
  launch.options.algorithm = "hierarchical";
  const auto body = [](Communicator& c) {
    std::string wrong;
    for (int root = 0; root < c.size() && wrong.empty(); ++root) {
      wrong = broadcast_much(c, root);
      if (wrong.empty()) wrong = average_much(c, root);
    }
    return wrong;
  };
  EXPECT_EQ(spawn_processes(5, body, launch), "");
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
