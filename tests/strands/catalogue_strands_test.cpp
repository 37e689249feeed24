// Every schedule that kernels can run, by groups of several threads, in the way a kernel does:
// 1 to 5 ranks of 1 to 4 threads and of several strands, one operation after the other without
// waiting for the other ranks. A barrier that is missing in a schedule or in the fabric shows here,
// under the thread sanitizer at the latest; so does an element that two threads add, or none.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "catalogue_strands.hpp"
#include "communicator/operation.hpp"
#include "support/case_layout.hpp"
#include "support/strand_ranks.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

constexpr StrandShape kShapes[] = {{1, 1}, {1, 3}, {1, 4}, {2, 3}};

Call call_of(const Case& c, const CaseLayout& layout, int ranks) {
  Call call(c.collective, c.type);
  call.op = c.op;
  call.count = c.count;
  call.root = c.root;
  call.blocks =
      layout.counts.empty()
          ? Blocks::equal(c.count, call.elem_bytes, static_cast<std::uint64_t>(ranks))
          : Blocks::listed(layout.counts.data(),
                           layout.displacements.empty() ? nullptr : layout.displacements.data(),
                           call.elem_bytes, static_cast<std::uint64_t>(ranks));
  return call;
}

/// One rank's calls.
class Caller {
 public:
  Caller(StrandRank& rank, const TeamEntry& entry, int number, int ranks)
      : rank_(rank), entry_(entry), number_(number), ranks_(ranks) {}

  std::string operator()(const Case& c, const CaseLayout& layout, const std::byte* input,
                         std::byte* output) {
    Call call = call_of(c, layout, ranks_);
    call.input = input;
    call.output = output;
    if (c.op == ReduceOp::kPreMulSum && reduces(c.collective)) scale(c, call);
    const StrandCall launched{.arguments = call,
                              .shape = shape_of(c.collective),
                              .words = words_of(call),
                              .strands = rank_.strand(0).count,
                              .shows_buffers = entry_.needs >= Needs::kReach};
    GroupArithmetic math;
    if (reduces(c.collective))
      math = {c.type, c.op, c.op == ReduceOp::kAverage ? static_cast<std::uint32_t>(ranks_) : 1u};
    rank_.launch([&](const HostTeam& team, Strand& strand) {
      run_strand(team, strand, entry_.run, math, launched, SameAddresses{});
    });
    if (const StrandFailure& failure = rank_.failure(); failure.written != 0)
      return fmt::format("outcome {} of a wait for rank {} for {:#x}, saw {:#x}",
                         static_cast<int>(failure.why.outcome), failure.why.peer,
                         failure.why.expected, failure.why.seen);
    return {};
  }

 private:
  /// The input of a pre-multiplied sum, as the kernel before the schedule's writes it.
  void scale(const Case& c, Call& call) {
    const Reduction reduction = reduction_of(c.type, c.op, c.values, number_);
    scaled_.resize(call.input_bytes(number_));
    rank_.launch([&](const HostTeam& team, Strand& strand) {
      if (strand.index == 0)
        scale_elements(team, scaled_.data(), call.input, scaled_.size() / call.elem_bytes, c.type,
                       reduction.scale, reduction.integer_scale);
    });
    call.input = scaled_.data();
  }

  StrandRank& rank_;
  const TeamEntry& entry_;
  int number_, ranks_;
  std::vector<std::byte> scaled_;
};

/// Runs the cases on all ranks. What went wrong, or nothing.
std::string run_cases(const TeamEntry& entry, int ranks, StrandShape shape,
                      const std::vector<Case>& cases) {
  StrandRanks job(ranks, shape, std::chrono::seconds(60));
  std::vector<std::string> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      std::string& error = errors[static_cast<std::size_t>(r)];
      CaseRunner runner(r, ranks, Caller(job[r], entry, r, ranks));
      for (std::size_t i = 0; i < cases.size() && error.empty(); ++i) error = runner.run(cases[i]);
      if (error.empty()) return;
      for (int peer = 0; peer < ranks; ++peer) job[peer].abort();
    });
  for (std::thread& thread : threads) thread.join();
  std::string all;
  for (int r = 0; r < ranks; ++r)
    if (const auto& error = errors[static_cast<std::size_t>(r)]; !error.empty())
      all += fmt::format("rank {}: {}\n", r, error);
  return all;
}

class StrandTest : public testing::Test {
 public:
  StrandTest(const TeamEntry& entry, const AlgorithmDescription& algorithm, int ranks)
      : entry_(entry), algorithm_(algorithm), ranks_(ranks) {}

  void TestBody() override {
    std::vector<Case> cases;
    for (const Case& c : cases_of({algorithm_, ranks_, Depth::kShort}))
      if (const CaseLayout layout = layout_of(c, 0, ranks_);
          call_of(c, layout, ranks_).message_bytes() <= entry_.max_bytes)
        cases.push_back(c);
    for (const StrandShape shape : kShapes)
      EXPECT_EQ(run_cases(entry_, ranks_, shape, cases), "")
          << shape.strands << " strands of " << shape.threads << " threads";
  }

 private:
  const TeamEntry& entry_;
  const AlgorithmDescription& algorithm_;
  const int ranks_;
};

}  // namespace

void register_strand_tests() {
  const auto entries = team_catalogue();
  const auto descriptions = algorithms();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!runs_in_kernels(entries[i])) continue;
    for (int ranks = 1; ranks <= 5; ++ranks)
      testing::RegisterTest(
          std::string(name(entries[i].collective)).c_str(),
          fmt::format("{}/ranks{}", entries[i].name, ranks).c_str(), nullptr, nullptr, __FILE__,
          __LINE__, [&entry = entries[i], &algorithm = descriptions[i], ranks]() -> testing::Test* {
            return new StrandTest(entry, algorithm, ranks);
          });
  }
}

}  // namespace sluice::test
