// Channels between ranks that are processes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "sluice/channel.hpp"
#include "support/messages.hpp"

namespace sluice::test {
namespace {

/// More frees than a rank remembers one by one, and a call in which the others look at them.
std::string free_many(Communicator& c) {
  constexpr std::size_t kCount = 1 << 18;
  for (int i = 0; i < 20; ++i) {
    auto input = Buffer<float>::create(kCount), output = Buffer<float>::create(kCount);
    if (!input.ok() || !output.ok()) return last_error();
    const Status status =
        c.all_reduce(input->data(), output->data(), kCount, DataType::kFloat32, ReduceOp::kSum);
    if (i % 19 == 0 && !status.ok()) return text_of(status);
  }
  for (int i = 0; i < 40; ++i)
    if (!Buffer<float>::create(kCount).ok()) return last_error();
  auto input = Buffer<float>::create(kCount), output = Buffer<float>::create(kCount);
  const Status status =
      c.all_reduce(input->data(), output->data(), kCount, DataType::kFloat32, ReduceOp::kSum);
  return status.ok() ? std::string() : text_of(status);
}

std::string swap_words(Communicator& c) {
  auto memory = Buffer<std::uint64_t>::create(2);
  if (!memory.ok()) return last_error();
  const auto channels = make_channels(c, memory->data(), 2 * sizeof(std::uint64_t));
  if (!channels.ok()) return last_error();
  if (const std::string problem = free_many(c); !problem.empty()) return problem;
  const int other = 1 - c.rank();
  const MemoryChannel& channel = channels.value()[other];
  memory->data()[0] = 100 + static_cast<std::uint64_t>(c.rank());
  const HostThread alone{};
  channel.put(alone, sizeof(std::uint64_t), 0, sizeof(std::uint64_t));
  channel.signal(alone);
  if (!channel.wait(alone)) return last_error();
  const std::uint64_t found = memory->data()[1];
  return found == 100 + static_cast<std::uint64_t>(other) ? std::string()
                                                          : fmt::format("found {}", found);
}

TEST(ChannelsProcesses, outlive_what_peers_free) {
  EXPECT_EQ(spawn_processes(2, swap_words, {}), "");
}

}  // namespace
}  // namespace sluice::test
