// What tests of messages on streams share.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "gpu.hpp"
#include "support/messages.hpp"

namespace sluice::test {

using Transfer = Communicator::Transfer;
using Direction = Transfer::Direction;
inline constexpr DataType kFloat = DataType::kFloat32;

/// Moves host buffers through the device: copied there, exchanged on the stream, copied back.
class GpuMessages {
 public:
  explicit GpuMessages(Communicator& communicator) : rank_(communicator), room_(kRoomBytes) {
    EXPECT_TRUE(communicator.barrier().ok());
  }

  Status exchange(std::span<const Transfer> transfers) {
    std::vector<Transfer> there(transfers.begin(), transfers.end());
    std::uint64_t used = 0;
    for (Transfer& transfer : there) {
      used = (used + 63) / 64 * 64 + used / 64 % 3;  // not all at the same place of a line
      if (used + transfer.count > kRoomBytes)
        return Status(Errc::kInvalidArgument, "the test's memory on the device is too small");
      std::byte* const place = room_.data() + used;
      const void* const host =
          transfer.direction == Direction::kSend ? transfer.source : transfer.destination;
      transfer.source = transfer.destination = place;
      used += transfer.count;
      if (!rank_.to_device(place, host, transfer.count).empty()) break;
    }
    SLUICE_TRY(rank_.communicator().on(rank_.stream()).exchange(there));
    if (!rank_.finish().empty()) return rank_.communicator().error();
    for (std::size_t i = 0; i < there.size(); ++i)
      if (there[i].direction == Direction::kReceive)
        rank_.from_device(static_cast<std::byte*>(transfers[i].destination),
                          static_cast<const std::byte*>(there[i].source), there[i].count);
    return {};
  }

  Status all_to_all_v(RaggedAllToAll& call) {
    std::byte* const input = room_.data();
    std::byte* const output = room_.data() + kRoomBytes / 2 + 4;
    rank_.to_device(input, call.input.data(), call.input.size() * sizeof(float));
    SLUICE_TRY(rank_.communicator()
                   .on(rank_.stream())
                   .all_to_all_v(input, call.sent, call.sent_at, output, call.received,
                                 call.received_at, kFloat));
    if (!rank_.finish().empty()) return rank_.communicator().error();
    rank_.from_device(call.output.data(), output, call.output.size() * sizeof(float));
    return {};
  }

 private:
  static constexpr std::uint64_t kRoomBytes = std::uint64_t{16} << 20;
  GpuRank rank_;
  GpuMemory room_;
};

/// Two arrays of floats, and a message around the ring of ranks.
struct Ring {
  explicit Ring(Communicator& communicator, std::size_t elems)
      : rank(communicator), count(elems), data(2 * elems * sizeof(float)) {
    EXPECT_TRUE(communicator.barrier().ok());
  }
  Status pass_on() {
    const Communicator& c = rank.communicator();
    const Transfer transfers[] = {{.direction = Direction::kReceive,
                                   .peer = (c.rank() + c.size() - 1) % c.size(),
                                   .destination = data.data() + count * sizeof(float),
                                   .count = count,
                                   .type = kFloat},
                                  {.direction = Direction::kSend,
                                   .peer = (c.rank() + 1) % c.size(),
                                   .source = data.data(),
                                   .count = count,
                                   .type = kFloat}};
    return rank.communicator().on(rank.stream()).exchange(transfers);
  }
  Status copy_back() {
    return device::copy_on(rank.stream(), data.data(), data.data() + count * sizeof(float),
                           count * sizeof(float));
  }
  std::string set(float value) {
    const std::vector<float> host(count, value);
    return rank.to_device(data.data(), host.data(), count * sizeof(float));
  }
  std::string expect(float value) {
    std::vector<float> host(count);
    if (auto error = rank.from_device(host.data(), data.data(), count * sizeof(float));
        !error.empty())
      return error;
    const auto wrong = std::find_if(host.begin(), host.end(), [&](float f) { return f != value; });
    return wrong == host.end() ? std::string() : fmt::format("{}, expected {}", *wrong, value);
  }

  GpuRank rank;
  std::size_t count;
  GpuMemory data;
};

/// What rank 1 is told when it receives what rank 0 does not send; nothing else is enqueued.
inline std::string told_to_receiver(const std::function<Status(OnStream, std::byte*)>& send,
                                    const std::function<Status(OnStream, std::byte*)>& receive,
                                    Errc expected, const std::vector<int>& host_of = {0, 0}) {
  std::string told;
  EXPECT_EQ(spawn_gpu_hosts(
                host_of,
                [&](Communicator& c) -> std::string {
                  GpuRank rank(c);
                  GpuMemory memory(8 << 20);
                  if (!c.barrier().ok()) return last_error();
                  const OnStream on = c.on(rank.stream());
                  const Status called =
                      c.rank() == 0 ? send(on, memory.data()) : receive(on, memory.data());
                  if (!called.ok()) return text_of(called);
                  const std::string text = rank.finish();
                  if (c.rank() == 0) return {};
                  told = text;
                  EXPECT_EQ(c.error().code(), expected) << text;
                  return {};
                },
                gpu_options(std::chrono::seconds(5))),
            "");
  return told;
}

inline Status send_floats(OnStream on, std::byte* memory, std::size_t count) {
  return on.send(memory, count, kFloat, 1);
}

}  // namespace sluice::test
