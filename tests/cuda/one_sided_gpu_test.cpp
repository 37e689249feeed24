// Puts into device memory that ranks have shown each other, and the signals behind them, as streams
// run them. The NCCL door is tested on the same (tests/device_double/nccl).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "communicator/device_part.hpp"
#include "communicator/device_signals.hpp"
#include "communicator/impl.hpp"
#include "gpu.hpp"

namespace sluice::test {
namespace {

constexpr std::uint64_t kBytes = std::uint64_t{1} << 20;

/// A rank's memory, shown to all, with signals of two contexts and three indices.
struct Shared {
  std::vector<HeldWindow> windows;
  std::unique_ptr<DeviceSignals> signals;

  static Result<Shared> make(Communicator& c, std::byte* memory, std::uint64_t bytes) {
    SLUICE_TRY_ASSIGN(auto shared, c.impl().share_device_buffer(memory, bytes));
    if (!shared.why_not.empty()) return fail(Errc::kInternalError, "not shared", shared.why_not);
    SLUICE_TRY_ASSIGN(auto signals, DeviceSignals::make(c.impl(), 2, 3));
    return Shared{std::move(shared.of_ranks), std::move(signals)};
  }
  ListedPut put(int peer, std::uint64_t offset, const std::byte* from, std::uint64_t bytes,
                SignalName name) const {
    return {windows[static_cast<std::size_t>(peer)].base + offset, from, bytes,
            signals->of_peer(peer, name)};
  }
};

/// Every rank puts its number all over a part of the next one's memory, some times.
std::string put_around(Communicator& c, std::byte* memory) {
  auto shared = Shared::make(c, memory, kBytes);
  if (!shared.ok()) return "sharing: " + text_of(shared.status());
  GpuRank rank(c);
  GpuMemory source(kBytes / 2);
  const int next = (c.rank() + 1) % c.size(), previous = (c.rank() + c.size() - 1) % c.size();
  const SignalName name{1, 2}, read{0, 0};
  for (int round = 1; round <= 3; ++round) {
    for (const std::uint64_t bytes : {kBytes / 2, std::uint64_t{4099}}) {
      const std::vector<std::uint8_t> mine(bytes, static_cast<std::uint8_t>(8 * round + c.rank()));
      if (auto error = rank.to_device(source.data(), mine.data(), bytes); !error.empty())
        return error;
      const std::vector<ListedPut> puts{
          shared.value().put(next, kBytes / 4 + 3, source.data(), bytes, name)};
      if (auto error = text_of(c.impl().put_on(rank.stream(), puts)); !error.empty()) return error;
      const std::vector<ListedWait> wait{shared.value().signals->wait(previous, name, 1)};
      if (auto error = text_of(c.impl().wait_on(rank.stream(), wait)); !error.empty()) return error;
      std::vector<std::uint8_t> found(bytes);
      if (auto error = rank.from_device(found.data(), memory + kBytes / 4 + 3, bytes);
          !error.empty())
        return error;
      const auto expected = static_cast<std::uint8_t>(8 * round + previous);
      if (std::count(found.begin(), found.end(), expected) != static_cast<std::ptrdiff_t>(bytes))
        return fmt::format("round {}: {}, expected {}", round, found.back(), expected);
      // A signal alone: the previous rank may put the next one.
      const std::vector<ListedPut> answer{shared.value().put(previous, 0, nullptr, 0, read)};
      const std::vector<ListedWait> answered{shared.value().signals->wait(next, read, 1)};
      if (auto error = text_of(c.impl().put_on(rank.stream(), answer)); !error.empty())
        return error;
      if (auto error = text_of(c.impl().wait_on(rank.stream(), answered)); !error.empty())
        return error;
    }
  }
  if (auto error = rank.finish(); !error.empty()) return error;
  return text_of(c.barrier());
}

std::string put_around_allocated(Communicator& c) {
  GpuMemory memory(kBytes);
  return put_around(c, memory.data());
}

TEST(GpuOneSided, puts_arrive_before_their_signals) {
  SLUICE_NEEDS_GPU();
  for (const int ranks : {1, 2, 3})
    EXPECT_EQ(spawn_gpu_threads(ranks, put_around_allocated), "") << ranks;
}

TEST(GpuOneSided, what_cannot_be_shown_says_why_on_all_ranks) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_gpu_threads(
                2,
                [](Communicator& c) -> std::string {
                  GpuMemory memory(1 << 16);
                  const std::uint64_t bytes = c.rank() == 0 ? std::uint64_t{1} << 40 : 64;
                  const auto refused = c.impl().share_device_buffer(memory.data(), bytes);
                  const Errc expected = c.rank() == 0 ? Errc::kInvalidArgument : Errc::kRemoteError;
                  if (refused.status().code() != expected) return text_of(refused.status());
                  return text_of(c.barrier());
                }),
            "");
}

TEST(GpuProcesses, puts_arrive_before_their_signals) {
  SLUICE_NEEDS_FORKS();
  Launch launch;
  launch.options = gpu_options();
  EXPECT_EQ(spawn_processes(2, put_around_allocated, launch), "");
  // Of the runtime, by handle.
  EXPECT_EQ(spawn_processes(
                2,
                [](Communicator& c) -> std::string {
                  const auto plain = device::allocate(kBytes);
                  if (!plain.ok()) return last_error();
                  if (auto error = put_around(c, static_cast<std::byte*>(plain.value()));
                      !error.empty())
                    return error;
                  if (!c.barrier().ok()) return last_error();  // all have closed it
                  return text_of(device::release(plain.value()));
                },
                launch),
            "");
}

TEST(GpuProcesses, signals_of_a_rank_that_dies_do_not_come) {
  SLUICE_NEEDS_FORKS();
  const std::string report = spawn_gpu_with_a_death([](GpuRank& rank) {
    const auto memory = std::make_shared<GpuMemory>(1 << 16);
    const auto shared = std::make_shared<Result<Shared>>(
        Shared::make(rank.communicator(), memory->data(), memory->bytes()));
    return [&rank, memory, shared]() -> Status {
      SLUICE_TRY(shared->status());
      const std::vector<ListedWait> never{shared->value().signals->wait(1, {}, 1)};
      return rank.communicator().impl().wait_on(rank.stream(), never);
    };
  });
  EXPECT_NE(report.find("heard: remote error"), std::string::npos) << report;
}

}  // namespace
}  // namespace sluice::test
