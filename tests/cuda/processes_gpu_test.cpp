// Ranks that are processes on one GPU: their segments are opened through handles of the driver.
// Without MPS they take turns in time slices of milliseconds, so there are few cases.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "catalogue_gpu.hpp"
#include "gpu.hpp"
#include "sluice/on_stream.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

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

TEST(GpuProcesses, what_a_rank_has_sent_is_there_when_it_has_left) {
  SLUICE_NEEDS_FORKS();
  Launch launch;
  launch.options = gpu_options();
  launch.options.algorithm = "broadcast:staged";
  EXPECT_EQ(spawn_processes(
                2,
                [](Communicator& c) -> std::string {
                  constexpr std::size_t kCount = 3000;
                  if (c.rank() == 1) std::this_thread::sleep_for(std::chrono::milliseconds(300));
                  GpuRank rank(c);
                  GpuMemory memory(kCount * sizeof(int));
                  const std::vector<int> mine(kCount, 7 + c.rank());
                  if (auto error = rank.to_device(memory.data(), mine.data(), kCount * sizeof(int));
                      !error.empty())
                    return error;
                  if (auto error = text_of(c.on(rank.stream())
                                               .broadcast(memory.data(), memory.data(), kCount,
                                                          DataType::kInt32, 0));
                      !error.empty())
                    return error;
                  if (auto error = rank.finish(); !error.empty()) return error;
                  if (c.rank() == 0) return {};  // and leaves
                  std::vector<int> found(kCount);
                  rank.from_device(found.data(), memory.data(), kCount * sizeof(int));
                  return found == std::vector<int>(kCount, 7) ? "" : "not what the root sent";
                },
                launch),
            "");
}

/// Sums of ranks from registered memory to registered memory, by the algorithm that works in place.
std::string sum_in_place(Communicator& c, std::byte* memory, std::uint64_t bytes) {
  if (auto error = text_of(register_device_memory(c, memory, bytes)); !error.empty()) return error;
  GpuRank rank(c);
  const std::size_t count = bytes / sizeof(float) / 2 - 8;
  std::byte* const input = memory + 4 * sizeof(float);
  std::byte* const output = memory + bytes / 2 + 4 * sizeof(float);
  for (int round = 1; round <= 3; ++round) {
    const std::vector<float> mine(count, static_cast<float>(round + c.rank()));
    if (auto error = rank.to_device(input, mine.data(), count * sizeof(float)); !error.empty())
      return error;
    if (auto error =
            text_of(c.on(rank.stream())
                        .all_reduce(input, output, count, DataType::kFloat32, ReduceOp::kSum));
        !error.empty())
      return error;
    if (c.last_algorithm() != "direct") return "ran " + std::string(c.last_algorithm());
    if (auto error = rank.finish(); !error.empty()) return error;
    std::vector<float> sum(count);
    rank.from_device(sum.data(), output, count * sizeof(float));
    const auto expected = static_cast<float>(c.size() * round + c.size() * (c.size() - 1) / 2);
    if (std::count(sum.begin(), sum.end(), expected) != static_cast<std::ptrdiff_t>(count))
      return fmt::format("round {}: {} of {}, expected {}", round, sum[0], count, expected);
  }
  return text_of(withdraw_device_memory(c, memory));
}

Launch direct_launch(std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
  Launch launch;
  launch.options = gpu_options(timeout);
  launch.options.algorithm = "all_reduce:direct";
  return launch;
}

TEST(GpuProcesses, registered_memory_is_used_in_place) {
  SLUICE_NEEDS_FORKS();
  for (const int ranks : {2, 3})
    EXPECT_EQ(
        spawn_processes(
            ranks,
            [](Communicator& c) -> std::string {
              // Of sluice::alloc, by descriptor; at another place in it on each rank.
              GpuMemory memory(1 << 20);
              const auto gap = static_cast<std::uint64_t>(c.rank()) * 4096;
              for (int i = 0; i < 2; ++i)
                if (auto error = sum_in_place(c, memory.data() + gap, 500'000); !error.empty())
                  return "alloc: " + error;
              // Of the runtime, by handle.
              const auto plain = device::allocate(1 << 20);
              if (!plain.ok()) return last_error();
              if (auto error = sum_in_place(c, static_cast<std::byte*>(plain.value()), 1 << 20);
                  !error.empty())
                return "plain: " + error;
              if (!c.barrier().ok()) return last_error();
              return text_of(device::release(plain.value()));
            },
            direct_launch()),
        "");
}

TEST(GpuProcesses, what_is_registered_on_one_rank_only_does_not_match) {
  SLUICE_NEEDS_FORKS();
  EXPECT_EQ(spawn_processes(
                2,
                [](Communicator& c) -> std::string {
                  GpuRank rank(c);
                  GpuMemory memory(1 << 16), other(1 << 16);
                  if (!register_device_memory(c, memory.data(), 1 << 16).ok()) return last_error();
                  std::byte* const buffer = c.rank() == 0 ? memory.data() : other.data();
                  const Status called =
                      c.on(rank.stream())
                          .all_reduce(buffer, buffer, 1000, DataType::kFloat32, ReduceOp::kSum);
                  if (!called.ok()) return text_of(called);
                  const std::string error = rank.finish();
                  if (error.empty()) return "nobody noticed";
                  // Whose deadline comes first names both calls; the other may only hear of that.
                  const bool named = error.find("in registered memory") != std::string::npos;
                  return named || error.find("which has met an error") != std::string::npos ? ""
                                                                                            : error;
                },
                direct_launch(std::chrono::seconds(3))),
            "");
}

TEST(GpuProcesses, what_cannot_be_registered_is_an_error_on_all_ranks) {
  SLUICE_NEEDS_FORKS();
  EXPECT_EQ(
      spawn_processes(
          2,
          [](Communicator& c) -> std::string {
            GpuMemory memory(1 << 16);
            float host = 0;
            void* const mine = c.rank() == 0 ? memory.data() : static_cast<void*>(&host);
            const Status refused = register_device_memory(c, mine, sizeof host);
            const Errc expected = c.rank() == 0 ? Errc::kRemoteError : Errc::kInvalidArgument;
            if (refused.code() != expected) return "first: " + text_of(refused);
            if (register_device_memory(c, memory.data(), 1 << 30).code() != Errc::kInvalidArgument)
              return "more than there is";
            if (withdraw_device_memory(c, memory.data()).code() != Errc::kInvalidArgument)
              return "what was not registered";
            if (!register_device_memory(c, memory.data(), 64).ok()) return last_error();
            if (register_device_memory(c, memory.data(), 64).code() != Errc::kInvalidArgument)
              return "twice";
            if (!withdraw_device_memory(c, memory.data()).ok()) return last_error();
            return text_of(c.barrier());
          },
          direct_launch()),
      "");
}

TEST(GpuProcesses, one_that_dies_ends_the_kernels_of_the_others) {
  SLUICE_NEEDS_FORKS();
  const std::string report = spawn_gpu_with_a_death([](GpuRank& rank) {
    const auto memory = std::make_shared<GpuMemory>(1 << 20);
    return [&rank, memory] {
      return rank.communicator()
          .on(rank.stream())
          .all_reduce(memory->data(), memory->data(), 200'000, DataType::kFloat32, ReduceOp::kSum);
    };
  });
  EXPECT_NE(report.find("heard: remote error"), std::string::npos) << report;
}

}  // namespace
}  // namespace sluice::test
