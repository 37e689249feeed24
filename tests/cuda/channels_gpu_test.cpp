// Channels over device memory: what kernels are given reaches the peers' memory and counters, and
// the communicator's abort. What they do with it is tested in tests/unit and tests/ports.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "base/error.hpp"
#include "base/port.hpp"
#include "device/device.hpp"
#include "gpu.hpp"
#include "sluice/channel.hpp"

namespace sluice::test {
namespace {

constexpr std::uint64_t kBytes = 4096;

/// Each rank writes to the next one's memory and counter, through what its channel has.
std::string write_to_next(Communicator& c, const ChannelSet& channels, std::byte* memory) {
  GpuRank rank(c);
  const int next = (c.rank() + 1) % c.size(), previous = (c.rank() + c.size() - 1) % c.size();
  const MemoryChannel& there = channels[next];
  const auto number = static_cast<std::uint64_t>(100 + c.rank());
  if (auto error = rank.to_device(there.remote.base + 64, &number, sizeof number); !error.empty())
    return error;
  const auto* counter = reinterpret_cast<std::byte*>(there.semaphore.outbound);
  if (auto error = rank.to_device(const_cast<std::byte*>(counter), &number, sizeof number);
      !error.empty())
    return error;
  if (!c.barrier().ok()) return last_error();
  std::uint64_t found[2] = {};
  rank.from_device(&found[0], memory + 64, sizeof number);
  rank.from_device(&found[1], reinterpret_cast<std::byte*>(channels[previous].semaphore.inbound),
                   sizeof number);
  for (const std::uint64_t each : found)
    if (each != static_cast<std::uint64_t>(100 + previous)) return fmt::format("found {}", each);
  return text_of(c.barrier());
}

std::string look_at_channels(Communicator& c) {
  GpuMemory memory(kBytes);
  const auto made = make_channels(c, memory.data(), kBytes);
  if (!made.ok()) return last_error();
  const ChannelSet& channels = made.value();
  if (channels.size() != c.size()) return "channels are missing";
  if (channels[c.rank()].local.base != memory.data()) return "the own buffer is another";
  for (int peer = 0; peer < c.size(); ++peer)
    if (channels[peer].remote.bytes != kBytes || channels[peer].semaphore.peer != peer)
      return fmt::format("channel {} is another", peer);
  if (auto error = write_to_next(c, channels, memory.data()); !error.empty()) return error;
  WaitState waits;
  if (!device::copy(&waits, channels[0].waits, sizeof waits).ok()) return last_error();
  if (waits.failed != 0 || waits.timeout_ns == 0) return "the waits do not begin as they should";
  if (waits.host_abort_word == nullptr || port::load_acquire(waits.host_abort_word) != 0)
    return "aborted already";
  if (!c.barrier().ok()) return last_error();
  static_cast<void>(c.abort());
  return port::load_acquire(waits.host_abort_word) != 0 ? "" : "an abort does not end the waits";
}

TEST(GpuChannels, reach_memory_and_counters_of_every_rank) {
  SLUICE_NEEDS_GPU();
  for (const int ranks : {1, 2, 3})
    EXPECT_EQ(spawn_gpu_threads(ranks, look_at_channels), "") << ranks;
}

TEST(GpuProcesses, channels_reach_memory_and_counters_of_every_rank) {
  SLUICE_NEEDS_FORKS();
  Launch launch;
  launch.options = gpu_options();
  EXPECT_EQ(spawn_processes(2, look_at_channels, launch), "");
}

TEST(GpuChannels, over_buffers_of_different_sizes_are_refused_on_all_ranks) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(spawn_gpu_threads(2,
                              [](Communicator& c) -> std::string {
                                GpuMemory memory(kBytes);
                                const std::uint64_t bytes = c.rank() == 0 ? kBytes : kBytes / 2;
                                const auto made = make_channels(c, memory.data(), bytes);
                                if (made.status().code() != Errc::kInvalidUsage)
                                  return text_of(made.status());
                                if (last_error().find("2048") == std::string_view::npos)
                                  return std::string(last_error());
                                return text_of(c.barrier());
                              }),
            "");
}

}  // namespace
}  // namespace sluice::test
