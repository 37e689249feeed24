// What becomes of kernels whose peers do not come, call something else, or are told to stop: they
// end, the communicator says why, and the device works on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "gpu.hpp"

namespace sluice::test {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;
constexpr DataType kFloat = DataType::kFloat32;
constexpr std::size_t kElems = 100'000;

/// What a rank enqueues, on memory of its own.
using Enqueue = std::function<Status(OnStream, float* input, float* output)>;

Status sum(OnStream on, float* input, float* output) {
  return on.all_reduce(input, output, kElems, kFloat, ReduceOp::kSum);
}

struct Outcome {
  Errc code = Errc::kOk;
  std::string text;
  double seconds = 0;  // until the stream was done
};

/// Runs `enqueue` as one of the ranks, and waits. What the communicator says then.
Outcome run(Communicator& c, const Enqueue& enqueue) {
  GpuRank rank(c);
  GpuMemory input(kElems * sizeof(float)), output(kElems * sizeof(float));
  EXPECT_TRUE(c.barrier().ok());
  const auto begin = Clock::now();
  EXPECT_TRUE(enqueue(c.on(rank.stream()), reinterpret_cast<float*>(input.data()),
                      reinterpret_cast<float*>(output.data()))
                  .ok())
      << last_error();
  rank.finish();
  Outcome outcome{c.error().code(), {}, 0};
  outcome.text = last_error();
  outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (outcome.code == Errc::kOk) return {};
  const Status later = sum(c.on(rank.stream()), reinterpret_cast<float*>(input.data()),
                           reinterpret_cast<float*>(output.data()));
  EXPECT_EQ(later.code(), outcome.code) << "a later call";
  return outcome;
}

/// A new communicator computes on the device.
void expect_device_works() {
  EXPECT_EQ(spawn_gpu_threads(2, [](Communicator& c) -> std::string { return run(c, sum).text; }),
            "");
}

std::vector<Outcome> run_ranks(int ranks, const Options& options,
                               const std::function<Enqueue(int rank)>& what) {
  std::vector<Outcome> outcomes(static_cast<std::size_t>(ranks));
  EXPECT_EQ(spawn_gpu_threads(
                ranks,
                [&](Communicator& c) -> std::string {
                  outcomes[static_cast<std::size_t>(c.rank())] = run(c, what(c.rank()));
                  return {};
                },
                options),
            "");
  return outcomes;
}

TEST(GpuFailures, a_rank_that_does_not_come_is_named_at_the_deadline) {
  SLUICE_NEEDS_GPU();
  for (const char* algorithm : {"two_shot", "direct", "ring"}) {
    SCOPED_TRACE(algorithm);
    Options options = gpu_options(seconds(4));
    options.algorithm = fmt::format("all_reduce:{}", algorithm);
    std::vector<Outcome> outcomes(3);
    EXPECT_EQ(spawn_gpu_threads(
                  3,
                  [&](Communicator& c) -> std::string {
                    Outcome& mine = outcomes[static_cast<std::size_t>(c.rank())];
                    if (c.rank() != 2)
                      mine = run(c, sum);
                    else {
                      GpuRank rank(c);
                      GpuMemory unused(64);
                      static_cast<void>(c.barrier());
                      std::this_thread::sleep_for(seconds(6));
                    }
                    return {};
                  },
                  options),
              "");
    for (int r = 0; r < 2; ++r) {
      const Outcome& outcome = outcomes[static_cast<std::size_t>(r)];
      EXPECT_TRUE(outcome.code == Errc::kTimeout || outcome.code == Errc::kAborted)
          << name(outcome.code) << ": " << outcome.text;
      EXPECT_LT(outcome.seconds, 9);
    }
    EXPECT_TRUE((outcomes[0].text + outcomes[1].text).find("waited for rank 2") !=
                std::string::npos)
        << outcomes[0].text << outcomes[1].text;
  }
  expect_device_works();
}

TEST(GpuFailures, abort_ends_a_kernel_that_waits) {
  SLUICE_NEEDS_GPU();
  Outcome waiting;
  EXPECT_EQ(spawn_gpu_threads(
                2,
                [&](Communicator& c) -> std::string {
                  if (c.rank() == 0) {
                    waiting = run(c, sum);
                    return {};
                  }
                  GpuRank rank(c);
                  GpuMemory unused(64);
                  static_cast<void>(c.barrier());
                  std::this_thread::sleep_for(std::chrono::milliseconds(500));
                  return text_of(c.abort());
                },
                gpu_options(seconds(60))),
            "");
  EXPECT_EQ(waiting.code, Errc::kAborted) << waiting.text;
  EXPECT_NE(waiting.text.find("rank 1 called abort()"), std::string::npos) << waiting.text;
  EXPECT_LT(waiting.seconds, 10);
  expect_device_works();
}

TEST(GpuFailures, calls_that_do_not_fit_are_both_named) {
  SLUICE_NEEDS_GPU();
  const auto outcomes = run_ranks(2, gpu_options(seconds(4)), [](int rank) -> Enqueue {
    if (rank == 0) return sum;
    return [](OnStream on, float* input, float* output) {
      return on.all_reduce(input, output, kElems, kFloat, ReduceOp::kMax);
    };
  });
  bool named = false;
  for (const Outcome& outcome : outcomes) {
    EXPECT_NE(outcome.code, Errc::kOk);
    named |= outcome.text.find("calls do not match") != std::string::npos &&
             outcome.text.find("sum") != std::string::npos &&
             outcome.text.find("max") != std::string::npos;
  }
  EXPECT_TRUE(named) << outcomes[0].text << "\n" << outcomes[1].text;
  expect_device_works();
}

TEST(GpuFailures, calls_behind_a_failure_end_at_once) {
  SLUICE_NEEDS_GPU();
  Outcome waiting;
  EXPECT_EQ(spawn_gpu_threads(
                2,
                [&](Communicator& c) -> std::string {
                  if (c.rank() == 0) {
                    waiting = run(c, [](OnStream on, float* input, float* output) {
                      for (int i = 0; i < 20; ++i)
                        if (const Status status = sum(on, input, output); !status.ok())
                          return status;
                      return Status();
                    });
                    return {};
                  }
                  GpuRank rank(c);
                  GpuMemory unused(64);
                  static_cast<void>(c.barrier());
                  std::this_thread::sleep_for(seconds(6));
                  return {};
                },
                gpu_options(seconds(4))),
            "");
  EXPECT_EQ(waiting.code, Errc::kTimeout) << waiting.text;
  EXPECT_LT(waiting.seconds, 9) << "each of the twenty waited by itself";
  expect_device_works();
}

}  // namespace
}  // namespace sluice::test
