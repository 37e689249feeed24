// Every algorithm of the catalogue with 1 to 9 ranks as threads: every type with every operator,
// and counts from 0 to several pipeline slices, in rotating places and alignments, over loopback,
// over shared memory and, what needs no more than links, over TCP. Those for several hosts over
// hosts that are made up.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "catalogue_tests.hpp"
#include "support/ranks.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

class AlgorithmTest : public testing::Test {
 public:
  AlgorithmTest(const AlgorithmDescription& algorithm, int ranks)
      : algorithm_(algorithm), ranks_(ranks) {}

  void TestBody() override {
    for (const std::string& transport : thread_transports()) {
      if (transport == "tcp" && (algorithm_.needs_mapped || ranks_ > kMostOverTcp)) continue;
      if (transport == "loopback")
        run(transport, {algorithm_, ranks_, Depth::kFull});
      else
        run(transport, {algorithm_, ranks_, Depth::kShort, Memory::kMixed});
    }
  }

 private:
  static void run(const std::string& transport, const Sweep& sweep) {
    SCOPED_TRACE(transport);
    const auto cases = cases_of(sweep);
    Options options;
    options.transport = transport;
    options.algorithm = option_of(sweep.algorithm);
    EXPECT_EQ(
        spawn_threads(
            sweep.ranks, [&](Communicator& c) { return run_sweep(c, sweep, cases); }, options),
        "");
  }

  // Each pair of them is two connections.
  static constexpr int kMostOverTcp = 5;

  const AlgorithmDescription& algorithm_;
  int ranks_;
};

/// An algorithm for several hosts: this one under two names or three. tests/processes has more ways
/// to spread ranks; here a sanitizer sees all of them.
class SeveralHostsTest : public testing::Test {
 public:
  explicit SeveralHostsTest(const AlgorithmDescription& algorithm) : algorithm_(algorithm) {}

  void TestBody() override {
    Options options;
    options.algorithm = option_of(algorithm_);
    for (const std::vector<int>& hosts : {std::vector{0, 0, 1, 1}, std::vector{0, 1, 2, 2, 1, 0}}) {
      const Sweep sweep{algorithm_, static_cast<int>(hosts.size()), Depth::kShort, Memory::kMixed};
      const auto cases = cases_of(sweep);
      EXPECT_EQ(spawn_threads(
                    sweep.ranks, [&](Communicator& c) { return run_sweep(c, sweep, cases); },
                    options, hosts),
                "");
    }
  }

 private:
  const AlgorithmDescription& algorithm_;
};

/// One large call of each algorithm with few ranks: many slices of every pipeline.
class LargeTest : public testing::Test {
 public:
  explicit LargeTest(const AlgorithmDescription& algorithm) : algorithm_(algorithm) {}

  void TestBody() override {
    Options options;
    options.algorithm = option_of(algorithm_);
    for (const int ranks : {2, 3}) {
      const Sweep sweep{algorithm_, ranks, Depth::kShort};
      Case large = cases_of(sweep).back();
      large.type = ranks == 2 ? DataType::kFloat32 : DataType::kBfloat16;
      large.count = 1'500'007;
      EXPECT_EQ(spawn_threads(
                    ranks, [&](Communicator& c) { return run_sweep(c, sweep, {large}); }, options),
                "");
    }
  }

 private:
  const AlgorithmDescription& algorithm_;
};

}  // namespace

void register_catalogue_tests() {
  for (const AlgorithmDescription& algorithm : algorithms()) {
    const std::string suite(name(algorithm.collective));
    if (algorithm.needs_hosts) {
      testing::RegisterTest(suite.c_str(), fmt::format("{}/hosts", algorithm.name).c_str(), nullptr,
                            nullptr, __FILE__, __LINE__, [&algorithm]() -> testing::Test* {
                              return new SeveralHostsTest(algorithm);
                            });
      continue;
    }
    for (int ranks = 1; ranks <= 9; ++ranks)
      testing::RegisterTest(
          suite.c_str(), fmt::format("{}/ranks{}", algorithm.name, ranks).c_str(), nullptr, nullptr,
          __FILE__, __LINE__,
          [&algorithm, ranks]() -> testing::Test* { return new AlgorithmTest(algorithm, ranks); });
    if (algorithm.max_bytes == ~std::uint64_t{0})
      testing::RegisterTest(suite.c_str(), fmt::format("{}/Large", algorithm.name).c_str(), nullptr,
                            nullptr, __FILE__, __LINE__,
                            [&algorithm]() -> testing::Test* { return new LargeTest(algorithm); });
  }
}

}  // namespace sluice::test
