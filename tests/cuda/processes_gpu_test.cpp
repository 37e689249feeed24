// Ranks that are processes on one GPU: their segments are opened through handles of the driver.
// Without MPS they take turns in time slices of milliseconds, so there are few cases.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "catalogue_gpu.hpp"
#include "gpu.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

#define SLUICE_NEEDS_FORKS() \
  SLUICE_NEEDS_GPU();        \
  if (used_gpu_here())       \
  GTEST_SKIP() << "this process has used the GPU: run these tests by themselves"

/// Every fourth case, in each of which a rank waits for some time slices.
std::vector<Case> few(const std::vector<Case>& all) {
  std::vector<Case> chosen;
  for (std::size_t i = 0; i < all.size(); i += 4) chosen.push_back(all[i]);
  return chosen;
}

void run_algorithms(int ranks, const std::vector<std::string>& names) {
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (!runs_on_gpus(algorithm) || algorithm.needs_direct) continue;
    if (std::find(names.begin(), names.end(), algorithm.name) == names.end()) continue;
    SCOPED_TRACE(option_of(algorithm));
    Launch launch;
    launch.options = gpu_options();
    launch.options.algorithm = option_of(algorithm);
    const Sweep sweep{algorithm, ranks, Depth::kShort};
    const auto cases = few(cases_of(sweep));
    EXPECT_EQ(spawn_processes(
                  ranks, [&](Communicator& c) { return run_gpu_cases(c, sweep, cases); }, launch),
              "");
  }
}

TEST(GpuProcesses, two_ranks) {
  SLUICE_NEEDS_FORKS();
  run_algorithms(2, {"packet", "staged", "two_shot", "tree"});
}

TEST(GpuProcesses, four_ranks) {
  SLUICE_NEEDS_FORKS();
  run_algorithms(4, {"two_shot", "ring"});
}

TEST(GpuProcesses, buffers_of_other_processes_are_not_reached) {
  SLUICE_NEEDS_FORKS();
  Launch launch;
  launch.options = gpu_options();
  launch.options.algorithm = "all_reduce:direct";
  EXPECT_EQ(spawn_processes(
                2,
                [](Communicator& c) -> std::string {
                  GpuRank rank(c);
                  GpuMemory memory(4096);
                  const Status status = c.on(rank.stream())
                                            .all_reduce(memory.data(), memory.data(), 1000,
                                                        DataType::kFloat32, ReduceOp::kSum);
                  if (!status.ok()) return text_of(status);
                  if (c.last_algorithm() == "direct") return "ran direct";
                  if (auto error = rank.finish(); !error.empty()) return error;
                  return text_of(c.barrier());
                },
                launch),
            "");
}

TEST(GpuProcesses, one_that_dies_ends_the_kernels_of_the_others) {
  SLUICE_NEEDS_FORKS();
  Launch launch;
  launch.options = gpu_options(std::chrono::seconds(50));
  const std::string report = spawn_processes(
      2,
      [](Communicator& c) -> std::string {
        GpuRank rank(c);
        GpuMemory memory(1 << 20);
        static_cast<void>(c.barrier());
        if (c.rank() == 1) ::_exit(3);
        const auto begin = std::chrono::steady_clock::now();
        static_cast<void>(c.on(rank.stream())
                              .all_reduce(memory.data(), memory.data(), 200'000, DataType::kFloat32,
                                          ReduceOp::kSum));
        const std::string error = rank.finish();
        if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(20)) return "late";
        return "heard: " + error;
      },
      launch);
  EXPECT_NE(report.find("heard: remote error"), std::string::npos) << report;
}

}  // namespace
}  // namespace sluice::test
