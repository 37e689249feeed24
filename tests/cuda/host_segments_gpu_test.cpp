// GPUs that do not reach each other: segments in pinned memory of the host. SLUICE_DEVICE_SEGMENTS
// has it so on one GPU, too.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "catalogue_gpu.hpp"
#include "communicator/device_part.hpp"
#include "communicator/impl.hpp"
#include "gpu.hpp"
#include "sluice/on_stream.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

constexpr const char* kVariable = "SLUICE_DEVICE_SEGMENTS";

class GpuHostSegments : public testing::Test {
 protected:
  void SetUp() override { ::setenv(kVariable, "host", 1); }
  void TearDown() override { ::unsetenv(kVariable); }
};

/// Every third short case of some ways to move data: packets, the stage, links, messages.
std::string run_some(Communicator& c) {
  if (c.impl().device()->reaches_peers()) return "through device memory";
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (!runs_on_gpus(algorithm) || option_of(algorithm) != c.impl().options().algorithm) continue;
    const Sweep sweep{algorithm, c.size(), Depth::kShort};
    std::vector<Case> some;
    const auto all = cases_of(sweep);
    for (std::size_t i = 0; i < all.size(); i += 3) some.push_back(all[i]);
    return run_gpu_cases(c, sweep, some);
  }
  return "no such algorithm";
}

constexpr const char* kAlgorithms[] = {"all_reduce:packet", "all_reduce:two_shot",
                                       "all_gather:ring", "all_to_all_v:exchange"};

TEST_F(GpuHostSegments, of_ranks_that_are_threads) {
  SLUICE_NEEDS_GPU();
  for (const char* algorithm : kAlgorithms) {
    Options options = gpu_options();
    options.algorithm = algorithm;
    EXPECT_EQ(spawn_gpu_threads(3, run_some, options), "") << algorithm;
  }
}

TEST_F(GpuHostSegments, of_ranks_that_are_processes) {
  SLUICE_NEEDS_GPU();
  if (used_gpu_here()) GTEST_SKIP() << "this process has used the GPU: run this test by itself";
  for (const char* algorithm : kAlgorithms) {
    Launch launch;
    launch.options = gpu_options();
    launch.options.algorithm = algorithm;
    EXPECT_EQ(spawn_processes(2, run_some, launch), "") << algorithm;
  }
}

TEST_F(GpuHostSegments, leave_buffers_out_of_reach) {
  SLUICE_NEEDS_GPU();
  Options options = gpu_options();
  options.algorithm = "all_reduce:direct";
  EXPECT_EQ(spawn_gpu_threads(
                2,
                [](Communicator& c) -> std::string {
                  GpuRank rank(c);
                  GpuMemory memory(4096);
                  if (register_device_memory(c, memory.data(), 4096).code() != Errc::kInvalidUsage)
                    return "registered";
                  const Status called = c.on(rank.stream())
                                            .all_reduce(memory.data(), memory.data(), 9,
                                                        DataType::kFloat32, ReduceOp::kSum);
                  if (!called.ok()) return text_of(called);
                  if (c.last_algorithm() == "direct") return "ran direct";
                  if (auto error = rank.finish(); !error.empty()) return error;
                  return text_of(c.barrier());
                },
                options),
            "");
}

TEST_F(GpuHostSegments, are_asked_for_in_words_that_are_known) {
  SLUICE_NEEDS_GPU();
  ::setenv(kVariable, "hots", 1);
  const std::string report =
      spawn_gpu_threads(1, [](Communicator&) { return std::string("made"); });
  EXPECT_NE(report.find("SLUICE_DEVICE_SEGMENTS=hots"), std::string::npos) << report;
}

}  // namespace
}  // namespace sluice::test
