// What streams and graphs promise: the order of calls, replays, several communicators at once,
// memory of every kind.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "communicator/device_part.hpp"
#include "communicator/impl.hpp"
#include "gpu.hpp"

namespace sluice::test {
namespace {

constexpr DataType kFloat = DataType::kFloat32;

/// A rank with two arrays of floats on the device.
struct Floats {
  explicit Floats(Communicator& communicator, std::size_t elems)
      : rank(communicator),
        count(elems),
        input(elems * sizeof(float)),
        output(elems * sizeof(float)) {
    EXPECT_TRUE(communicator.barrier().ok());
  }

  std::string set(float value) {
    const std::vector<float> host(count, value);
    return rank.to_device(input.data(), host.data(), count * sizeof(float));
  }
  std::string expect(float value) {
    std::vector<float> host(count);
    if (auto error = rank.from_device(host.data(), output.data(), count * sizeof(float));
        !error.empty())
      return error;
    const auto wrong = std::find_if(host.begin(), host.end(), [&](float f) { return f != value; });
    if (wrong == host.end()) return {};
    return fmt::format("element {} is {}, expected {}", wrong - host.begin(), *wrong, value);
  }
  Status sum() { return sum_on(rank.communicator()); }
  Status sum_on(Communicator& communicator) {
    return communicator.on(rank.stream())
        .all_reduce(input.data(), output.data(), count, kFloat, ReduceOp::kSum);
  }

  GpuRank rank;
  std::size_t count;
  GpuMemory input, output;
};

float sum_of_ranks(int ranks, float step) {
  return step * static_cast<float>(ranks) + static_cast<float>(ranks * (ranks - 1) / 2);
}

/// Captures all_reduces of `elems` floats, then replays them with other inputs.
std::string replay(Communicator& c, std::size_t elems, int replays, int rounds) {
  Floats floats(c, elems);
  // Not captured: the order of calls goes on where graphs and plain calls alternate.
  if (auto error = text_of(floats.sum()); !error.empty()) return error;
  if (auto error = floats.rank.finish(); !error.empty()) return error;
  if (auto error = text_of(device::Graph::begin(floats.rank.stream())); !error.empty())
    return error;
  const Status captured = floats.sum(), barred = c.on(floats.rank.stream()).barrier();
  const auto graph = device::Graph::end(floats.rank.stream());
  if (!captured.ok() || !barred.ok() || !graph.ok()) return "capture: " + last_error();
  for (int round = 0; round < rounds; ++round) {
    const auto step = static_cast<float>(round % 100);
    if (auto error = floats.set(step + static_cast<float>(c.rank())); !error.empty()) return error;
    for (int i = 0; i < replays / rounds; ++i)
      if (auto error = text_of(graph.value().launch(floats.rank.stream())); !error.empty())
        return error;
    if (auto error = floats.rank.finish(); !error.empty()) return error;
    if (auto error = floats.expect(sum_of_ranks(c.size(), step)); !error.empty())
      return fmt::format("round {}: {}", round, error);
    if (round % 10 == 0)
      if (auto error = text_of(floats.sum()); !error.empty()) return error;
  }
  if (auto error = floats.rank.finish(); !error.empty()) return error;
  return text_of(c.barrier());
}

TEST(GpuGraphs, ten_thousand_replays_are_right) {
  SLUICE_NEEDS_GPU();
  for (const std::size_t elems : std::vector<std::size_t>{2, 1000, 300'000})
    for (const int ranks : {2, 4}) {
      SCOPED_TRACE(fmt::format("{} floats, {} ranks", elems, ranks));
      EXPECT_EQ(spawn_gpu_threads(ranks,
                                  [&](Communicator& c) {
                                    return replay(c, elems,
                                                  repetitions(elems > 100'000 ? 1'000 : 10'000),
                                                  repetitions(50));
                                  }),
                "");
    }
}

TEST(GpuGraphs, every_schedule_of_all_reduce_can_be_captured) {
  SLUICE_NEEDS_GPU();
  for (const char* algorithm :
       {"packet", "one_shot", "two_shot", "direct", "ring", "recursive_doubling", "tree"}) {
    SCOPED_TRACE(algorithm);
    Options options = gpu_options();
    options.algorithm = fmt::format("all_reduce:{}", algorithm);
    EXPECT_EQ(spawn_gpu_threads(
                  3, [&](Communicator& c) { return replay(c, 1001, 300, 10); }, options),
              "");
  }
}

TEST(GpuGraphs, a_pre_multiplied_sum_can_be_captured) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_gpu_threads(2,
                              [](Communicator& c) -> std::string {
                                Floats floats(c, 1000);
                                const Stream stream = floats.rank.stream();
                                if (auto error = floats.set(3); !error.empty()) return error;
                                // The output holds less than the input: memory in the graph.
                                static_cast<void>(device::Graph::begin(stream));
                                const Status captured = c.on(stream).reduce_scatter(
                                    floats.input.data(), floats.output.data(), 500, kFloat,
                                    Reduction::pre_multiplied_sum(2.0f));
                                const auto graph = device::Graph::end(stream);
                                if (!captured.ok() || !graph.ok()) return last_error();
                                for (int i = 0; i < 100; ++i)
                                  if (!graph.value().launch(stream).ok()) return last_error();
                                floats.count = 500;
                                if (auto error = floats.rank.finish(); !error.empty()) return error;
                                if (auto error = floats.expect(12); !error.empty()) return error;
                                return text_of(c.barrier());
                              }),
            "");
}

TEST(GpuStreams, calls_follow_one_another_without_the_host) {
  SLUICE_NEEDS_GPU();
  for (const int ranks : {2, 8})
    EXPECT_EQ(spawn_gpu_threads(ranks,
                                [](Communicator& c) -> std::string {
                                  Floats floats(c, 5000);
                                  const OnStream on = c.on(floats.rank.stream());
                                  if (auto error = floats.set(1); !error.empty()) return error;
                                  for (int i = 0; i < 200; ++i) {
                                    if (!floats.sum().ok()) return last_error();
                                    if (!on.broadcast(floats.input.data(), floats.input.data(), 100,
                                                      kFloat, i % c.size())
                                             .ok())
                                      return last_error();
                                  }
                                  if (auto error = floats.rank.finish(); !error.empty())
                                    return error;
                                  if (auto error = floats.expect(static_cast<float>(c.size()));
                                      !error.empty())
                                    return error;
                                  return text_of(c.barrier());
                                }),
              "");
}

TEST(GpuStreams, two_communicators_run_side_by_side) {
  SLUICE_NEEDS_GPU();
  // Each rank calls on one and the other in an order of its own, on streams of their own.
  EXPECT_EQ(spawn_gpu_threads(2,
                              [](Communicator& c) -> std::string {
                                auto other = c.split(0, -c.rank());
                                if (!other.ok()) return last_error();
                                Floats one(c, 20'000), two(other.value(), 3000);
                                if (!one.set(1).empty() || !two.set(2).empty()) return last_error();
                                for (int i = 0; i < 300; ++i) {
                                  const bool one_first = (i + c.rank()) % 2 == 0;
                                  const Status a = one_first ? one.sum() : two.sum();
                                  const Status b = one_first ? two.sum() : one.sum();
                                  if (!a.ok() || !b.ok()) return last_error();
                                }
                                if (auto error = one.rank.finish(); !error.empty()) return error;
                                if (auto error = two.rank.finish(); !error.empty()) return error;
                                if (auto error = one.expect(2); !error.empty())
                                  return "one: " + error;
                                if (auto error = two.expect(4); !error.empty())
                                  return "two: " + error;
                                return text_of(c.barrier());
                              }),
            "");
}

TEST(GpuStreams, calls_on_host_memory_are_an_order_of_their_own) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(
      spawn_gpu_threads(
          2,
          [](Communicator& c) -> std::string {
            Floats floats(c, 4000);
            if (auto error = floats.set(1); !error.empty()) return error;
            for (int i = 0; i < 100; ++i) {
              std::vector<float> host(1 + 10 * static_cast<std::size_t>(i), 1);
              if (c.rank() == 0 && !floats.sum().ok()) return last_error();
              if (!c.all_reduce(host.data(), host.data(), host.size(), kFloat, ReduceOp::kSum).ok())
                return last_error();
              if (c.rank() == 1 && !floats.sum().ok()) return last_error();
              if (host.back() != 2) return "wrong on the host";
            }
            if (auto error = floats.rank.finish(); !error.empty()) return error;
            if (auto error = floats.expect(2); !error.empty()) return error;
            return text_of(c.barrier());
          }),
      "");
}

TEST(GpuStrands, are_the_least_that_a_rank_asks_for) {
  SLUICE_NEEDS_GPU();
  used_gpu_here() = true;
  const auto id = UniqueId::create();
  ASSERT_TRUE(id.ok());
  std::vector<std::thread> ranks;
  for (int rank = 0; rank < 2; ++rank)
    ranks.emplace_back([&, rank] {
      Options options = gpu_options();
      options.strands = rank == 0 ? 3 : 0;
      auto made = Communicator::create(id.value(), rank, 2, options);
      ASSERT_TRUE(made.ok()) << last_error();
      EXPECT_EQ(made.value().impl().device()->strands(), 3);
      Floats floats(made.value(), 200'000);  // more than three strands would take
      EXPECT_EQ(floats.set(static_cast<float>(rank)), "");
      EXPECT_TRUE(floats.sum().ok()) << last_error();
      EXPECT_EQ(floats.rank.finish(), "");
      EXPECT_EQ(floats.expect(1), "");
      EXPECT_TRUE(made.value().barrier().ok());
    });
  for (std::thread& rank : ranks) rank.join();
}

TEST(GpuMemory, is_zeroed_and_known) {
  SLUICE_NEEDS_GPU();
  used_gpu_here() = true;
  const auto memory = alloc(100'000, MemoryKind::kDevice);
  ASSERT_TRUE(memory.ok()) << last_error();
  std::vector<char> host(100'000, 1);
  ASSERT_TRUE(device::copy(host.data(), memory.value(), host.size()).ok());
  EXPECT_EQ(std::count(host.begin(), host.end(), 0), 100'000);
  const auto place = device::place_of(memory.value());
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place.value().kind, MemoryKind::kDevice);
  EXPECT_EQ(place.value().device, 0);
  EXPECT_FALSE(device::place_of(host.data()).value().reached &&
               !device::facts(0).value().reads_pageable);
  EXPECT_TRUE(sluice::free(memory.value()).ok());
  EXPECT_EQ(sluice::free(memory.value()).code(), Errc::kInvalidArgument);
}

TEST(GpuMemory, of_the_wrong_kind_is_an_argument_error) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_gpu_threads(2,
                              [](Communicator& c) -> std::string {
                                Floats floats(c, 16);
                                std::vector<float> host(16);
                                const bool pageable = device::facts(0).value().reads_pageable;
                                const Status on_stream =
                                    c.on(floats.rank.stream())
                                        .all_reduce(host.data(), floats.output.data(), 16, kFloat,
                                                    ReduceOp::kSum);
                                if (!pageable && on_stream.code() != Errc::kInvalidArgument)
                                  return "host memory on a stream: " + text_of(on_stream);
                                const Status on_host =
                                    c.all_reduce(floats.input.data(), floats.output.data(), 16,
                                                 kFloat, ReduceOp::kSum);
                                if (on_host.code() != Errc::kInvalidArgument)
                                  return "device memory on the host: " + text_of(on_host);
                                return text_of(c.barrier());
                              }),
            "");
}

TEST(GpuMemory, pinned_host_memory_will_do) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_gpu_threads(2,
                              [](Communicator& c) -> std::string {
                                Floats floats(c, 1000);
                                const auto pinned = device::allocate_pinned(1000 * sizeof(float));
                                if (!pinned.ok()) return last_error();
                                auto* const host = static_cast<float*>(pinned.value());
                                std::fill_n(host, 1000, 3.0f);
                                const Status called = c.on(floats.rank.stream())
                                                          .all_reduce(host, floats.output.data(),
                                                                      1000, kFloat, ReduceOp::kSum);
                                if (!called.ok()) return last_error();
                                if (auto error = floats.rank.finish(); !error.empty()) return error;
                                if (auto error = floats.expect(6); !error.empty()) return error;
                                if (!c.barrier().ok()) return last_error();
                                return text_of(device::release_pinned(host));
                              }),
            "");
}

}  // namespace
}  // namespace sluice::test
