// Every schedule as a kernel: 1 to 8 ranks as threads that share one GPU, a stream each; with four
// of them every type with every operator; counts from 0 up, in rotating places and alignments. The
// results are the bits that the host's ranks compute.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "catalogue_gpu.hpp"
#include "gpu.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

class GpuScheduleTest : public testing::Test {
 public:
  GpuScheduleTest(const AlgorithmDescription& algorithm, int ranks)
      : algorithm_(algorithm), ranks_(ranks) {}

  void TestBody() override {
    SLUICE_NEEDS_GPU();
    Options options = gpu_options();
    options.algorithm = option_of(algorithm_);
    const Sweep sweep{algorithm_, ranks_, ranks_ == 4 ? Depth::kFull : Depth::kShort};
    auto cases = cases_of(sweep);
    if (algorithm_.max_bytes == ~std::uint64_t{0}) cases.push_back(large(cases.back()));
    EXPECT_EQ(spawn_gpu_threads(
                  ranks_, [&](Communicator& c) { return run_gpu_cases(c, sweep, cases); }, options),
              "");
  }

 private:
  /// Several slices of every pipeline, on all strands.
  static Case large(Case c) {
    c.type = DataType::kBfloat16;
    c.op = ReduceOp::kSum;
    c.count = 1'000'003;
    c.values = Values::kExact;
    return c;
  }

  const AlgorithmDescription& algorithm_;
  const int ranks_;
};

}  // namespace

bool runs_on_gpus(const AlgorithmDescription& algorithm) { return !algorithm.needs_hosts; }

std::string run_gpu_cases(Communicator& communicator, const Sweep& sweep,
                          const std::vector<Case>& cases) {
  GpuRank rank(communicator);
  CaseRunner runner(communicator.rank(), communicator.size(), std::ref(rank));
  for (const Case& c : cases) {
    if (std::string error = runner.run(c); !error.empty())
      return fmt::format("{} (ran {})", error, communicator.last_algorithm());
    if (!may_fall_back(sweep, c) && communicator.last_algorithm() != sweep.algorithm.name)
      return fmt::format("{}: ran {}", describe(c), communicator.last_algorithm());
  }
  // Memory is freed when nobody's kernel is waiting for anybody.
  return text_of(communicator.barrier());
}

void register_gpu_catalogue() {
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (!runs_on_gpus(algorithm)) continue;
    for (const int ranks : {1, 2, 3, 4, 8})
      testing::RegisterTest(fmt::format("Gpu_{}", name(algorithm.collective)).c_str(),
                            fmt::format("{}_ranks{}", algorithm.name, ranks).c_str(), nullptr,
                            nullptr, __FILE__, __LINE__, [&algorithm, ranks]() -> testing::Test* {
                              return new GpuScheduleTest(algorithm, ranks);
                            });
  }
}

}  // namespace sluice::test
