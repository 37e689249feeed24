// Ranks on several hosts, as far as one machine has them: every collective on a stream goes through
// the host of its rank. Cut into parts, captured, in place, with a rank that does not come.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include "catalogue_gpu.hpp"
#include "gpu.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

using std::chrono::seconds;
constexpr DataType kFloat = DataType::kFloat32;

/// Two ranks on the first host, one on the second.
std::string spawn_over_hosts(const Body& body, const Options& options = gpu_options()) {
  return spawn_gpu_hosts({0, 0, 1}, body, options);
}

bool runs_through_the_host(Collective collective) {
  return collective != Collective::kAllToAllV && collective != Collective::kSendReceive;
}

TEST(GpuHosts, every_collective_gives_the_bits_of_the_host) {
  SLUICE_NEEDS_GPU();
  std::set<Collective> seen;
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (!runs_through_the_host(algorithm.collective) || !seen.insert(algorithm.collective).second)
      continue;
    Sweep sweep{algorithm, 3, Depth::kShort};
    sweep.may_fall_back = true;  // the host chooses
    std::vector<Case> cases;     // every fourth: each goes over the network
    const auto all = cases_of(sweep);
    for (std::size_t i = 0; i < all.size(); i += 4) cases.push_back(all[i]);
    if (algorithm.collective != Collective::kBarrier) {
      Case large = cases.back();  // several parts
      large.type = kFloat;
      large.op = ReduceOp::kSum;
      large.count = 1'300'001;
      large.values = Values::kExact;
      cases.push_back(large);
    }
    EXPECT_EQ(spawn_over_hosts([&](Communicator& c) { return run_gpu_cases(c, sweep, cases); }), "")
        << name(algorithm.collective);
  }
}

/// Sums `count` ones of each rank in place, `times` times one behind the other.
std::string sum_again(Communicator& c, std::size_t count, int times, bool captured) {
  GpuRank rank(c);
  GpuMemory memory(count * sizeof(float));
  const std::vector<float> ones(count, 1);
  if (auto error = rank.to_device(memory.data(), ones.data(), count * sizeof(float));
      !error.empty())
    return error;
  const auto sum = [&] {
    return c.on(rank.stream())
        .all_reduce(memory.data(), memory.data(), count, kFloat, ReduceOp::kSum);
  };
  if (captured) {
    static_cast<void>(device::Graph::begin(rank.stream()));
    const Status called = sum();
    const auto graph = device::Graph::end(rank.stream());
    if (!called.ok() || !graph.ok()) return last_error();
    for (int i = 0; i < times; ++i)
      if (!graph.value().launch(rank.stream()).ok()) return last_error();
    if (auto error = rank.finish(); !error.empty()) return error;
  } else {
    for (int i = 0; i < times; ++i)
      if (!sum().ok()) return last_error();
  }
  if (auto error = rank.finish(); !error.empty()) return error;
  if (c.last_algorithm() != "proxied") return "ran " + std::string(c.last_algorithm());
  std::vector<float> sums(count);
  rank.from_device(sums.data(), memory.data(), count * sizeof(float));
  float expected = 1;
  for (int i = 0; i < times; ++i) expected *= static_cast<float>(c.size());
  const auto right = std::count(sums.begin(), sums.end(), expected);
  if (right != static_cast<std::ptrdiff_t>(count))
    return fmt::format("{} of {} are right, the first is {}", right, count, sums[0]);
  return text_of(c.barrier());
}

TEST(GpuHosts, calls_follow_one_another_and_can_be_captured) {
  SLUICE_NEEDS_GPU();
  for (const bool captured : {false, true})
    for (const std::size_t count : {std::size_t{5}, std::size_t{1'500'000}})
      EXPECT_EQ(spawn_over_hosts([&](Communicator& c) { return sum_again(c, count, 6, captured); }),
                "")
          << count << (captured ? " captured" : "");
}

TEST(GpuHosts, a_rank_that_does_not_come_is_an_error_of_all_at_the_deadline) {
  SLUICE_NEEDS_GPU();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(spawn_over_hosts(
                [](Communicator& c) -> std::string {
                  GpuRank rank(c);
                  GpuMemory memory(4096);
                  if (!c.barrier().ok()) return last_error();
                  if (c.rank() == 2) {
                    std::this_thread::sleep_for(seconds(13));
                    return {};
                  }
                  const Status called =
                      c.on(rank.stream())
                          .all_reduce(memory.data(), memory.data(), 100, kFloat, ReduceOp::kSum);
                  if (!called.ok()) return text_of(called);
                  const std::string error = rank.finish();
                  // Of two that wait, one may have waited for the other.
                  if (c.error().code() != Errc::kTimeout) return "heard: " + error;
                  return error.find("waited 6000 ms for rank") == std::string::npos ? error : "";
                },
                gpu_options(seconds(6))),
            "");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(30));
}

TEST(GpuHosts, abort_ends_a_call_that_waits) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_over_hosts(
                [](Communicator& c) -> std::string {
                  GpuRank rank(c);
                  GpuMemory memory(4096);
                  if (!c.barrier().ok()) return last_error();
                  if (c.rank() == 2) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(300));
                    return text_of(c.abort());
                  }
                  const Status called =
                      c.on(rank.stream())
                          .all_reduce(memory.data(), memory.data(), 100, kFloat, ReduceOp::kSum);
                  if (!called.ok() && called.code() != Errc::kAborted) return text_of(called);
                  static_cast<void>(rank.finish());
                  return c.error().code() == Errc::kAborted ? "" : text_of(c.error());
                },
                gpu_options(seconds(60))),
            "");
}

}  // namespace
}  // namespace sluice::test
