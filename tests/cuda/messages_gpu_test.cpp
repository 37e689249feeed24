// Messages on streams: many at once in awkward patterns, in graphs, among collectives; and what is
// said of those that do not fit.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "gpu.hpp"
#include "support/messages.hpp"

namespace sluice::test {
namespace {

using Transfer = Communicator::Transfer;
using Direction = Transfer::Direction;
constexpr DataType kFloat = DataType::kFloat32;

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
      const void* const host = transfer.source;
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

TEST(GpuMessages, exchange_everything_head_to_head) {
  SLUICE_NEEDS_GPU();
  for (const int ranks : {1, 2, 3, 8})  // the last ones with more than one launch carries
    EXPECT_EQ(spawn_gpu_threads(ranks,
                                [](Communicator& c) -> std::string {
                                  GpuMessages messages(c);
                                  for (int i = 0; i < repetitions(100); ++i)
                                    if (auto error = exchange_everything_by(
                                            c, [&](auto all) { return messages.exchange(all); });
                                        !error.empty())
                                      return error;
                                  return text_of(c.barrier());
                                }),
              "")
        << ranks << " ranks";
}

TEST(GpuMessages, all_to_all_v_with_random_counts_and_gaps) {
  SLUICE_NEEDS_GPU();
  for (const int ranks : {1, 2, 5})
    EXPECT_EQ(
        spawn_gpu_threads(
            ranks,
            [](Communicator& c) -> std::string {
              GpuMessages messages(c);
              if (auto error = random_all_to_all_v_by(
                      c, 10, [&](RaggedAllToAll& call) { return messages.all_to_all_v(call); });
                  !error.empty())
                return error;
              return text_of(c.barrier());
            }),
        "")
        << ranks << " ranks";
}

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

TEST(GpuMessages, a_captured_exchange_can_be_replayed) {
  SLUICE_NEEDS_GPU();
  for (const std::size_t elems : std::vector<std::size_t>{1, 3000, 200'000})
    EXPECT_EQ(
        spawn_gpu_threads(3,
                          [&](Communicator& c) -> std::string {
                            Ring ring(c, elems);
                            const Stream stream = ring.rank.stream();
                            if (auto error = ring.set(static_cast<float>(c.rank())); !error.empty())
                              return error;
                            static_cast<void>(device::Graph::begin(stream));
                            const Status sent = ring.pass_on(), copied = ring.copy_back();
                            const Status barred = c.on(stream).barrier();
                            const auto graph = device::Graph::end(stream);
                            if (!sent.ok() || !copied.ok() || !barred.ok() || !graph.ok())
                              return last_error();
                            const int replays = 1 + repetitions(elems > 10'000 ? 1000 : 5000);
                            for (int i = 0; i < replays; ++i)
                              if (!graph.value().launch(stream).ok()) return last_error();
                            if (auto error = ring.rank.finish(); !error.empty()) return error;
                            const int from = ((c.rank() - replays) % 3 + 3) % 3;
                            if (auto error = ring.expect(static_cast<float>(from)); !error.empty())
                              return error;
                            return text_of(c.barrier());
                          }),
        "")
        << elems << " floats";
}

TEST(GpuMessages, keep_their_place_among_collectives) {
  SLUICE_NEEDS_GPU();
  for (const char* algorithm : {"ring", "two_shot"}) {
    Options options = gpu_options();
    options.algorithm = fmt::format("all_reduce:{}", algorithm);
    EXPECT_EQ(spawn_gpu_threads(
                  2,
                  [](Communicator& c) -> std::string {
                    Ring ring(c, 50'000);
                    if (auto error = ring.set(1); !error.empty()) return error;
                    for (int i = 0; i < 6; ++i) {  // twice as much each time
                      if (!ring.pass_on().ok() || !ring.copy_back().ok()) return last_error();
                      if (!c.on(ring.rank.stream())
                               .all_reduce(ring.data.data(), ring.data.data(), ring.count, kFloat,
                                           ReduceOp::kSum)
                               .ok())
                        return last_error();
                    }
                    if (auto error = ring.rank.finish(); !error.empty()) return error;
                    if (auto error = ring.expect(64); !error.empty()) return error;
                    return text_of(c.barrier());
                  },
                  options),
              "");
  }
}

/// What rank 1 is told when it receives what rank 0 does not send; nothing else is enqueued.
std::string told_to_receiver(const std::function<Status(OnStream, std::byte*)>& send,
                             const std::function<Status(OnStream, std::byte*)>& receive,
                             Errc expected) {
  std::string told;
  EXPECT_EQ(spawn_gpu_threads(
                2,
                [&](Communicator& c) -> std::string {
                  GpuRank rank(c);
                  GpuMemory memory(1 << 20);
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
                gpu_options(std::chrono::seconds(3))),
            "");
  return told;
}

Status send_floats(OnStream on, std::byte* memory, std::size_t count) {
  return on.send(memory, count, kFloat, 1);
}

TEST(GpuMessages, of_another_size_are_named_with_both) {
  SLUICE_NEEDS_GPU();
  // The last two are cut into parts of the same length.
  constexpr std::pair<std::size_t, std::size_t> kSizes[] = {
      {1, 2}, {0, 7}, {3000, 2999}, {100'000, 20'000}, {7 * 4096, 6 * 4096}};
  for (const auto& [sent, wanted] : kSizes) {
    const std::string told = told_to_receiver(
        [&](OnStream on, std::byte* memory) { return send_floats(on, memory, sent); },
        [&](OnStream on, std::byte* memory) { return on.receive(memory, wanted, kFloat, 0); },
        Errc::kInvalidUsage);
    EXPECT_NE(
        told.find(fmt::format("expected {} bytes from rank 0, found {}", wanted * 4, sent * 4)),
        std::string::npos)
        << told;
  }
}

TEST(GpuMessages, of_another_type_are_named_with_both) {
  SLUICE_NEEDS_GPU();
  const std::string told = told_to_receiver(
      [](OnStream on, std::byte* memory) { return send_floats(on, memory, 100); },
      [](OnStream on, std::byte* memory) { return on.receive(memory, 100, DataType::kInt32, 0); },
      Errc::kInvalidUsage);
  EXPECT_NE(told.find("expected a message of int32 from rank 0, found a message of float"),
            std::string::npos)
      << told;
}

TEST(GpuMessages, that_meet_a_collective_are_named) {
  SLUICE_NEEDS_GPU();
  const std::vector<std::size_t> counts{0, 100}, nothing{0, 0};
  const std::string told = told_to_receiver(
      [&](OnStream on, std::byte* memory) {
        return on.all_to_all_v(memory, counts, nothing, memory, nothing, nothing, kFloat);
      },
      [](OnStream on, std::byte* memory) { return on.receive(memory, 100, kFloat, 0); },
      Errc::kInvalidUsage);
  EXPECT_NE(told.find("expected a message of float from rank 0, found a part of a collective"),
            std::string::npos)
      << told;
}

TEST(GpuMessages, that_do_not_come_are_given_up_at_the_deadline) {
  SLUICE_NEEDS_GPU();
  const auto begin = std::chrono::steady_clock::now();
  const std::string told = told_to_receiver(
      [](OnStream, std::byte*) { return Status(); },
      [](OnStream on, std::byte* memory) { return on.receive(memory, 100'000, kFloat, 0); },
      Errc::kTimeout);
  EXPECT_NE(told.find("a message: waited for rank 0, which has not done its part"),
            std::string::npos)
      << told;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(8));
}

TEST(GpuMessages, that_cannot_be_are_argument_errors) {
  SLUICE_NEEDS_GPU();
  EXPECT_EQ(
      spawn_gpu_threads(
          2,
          [](Communicator& c) -> std::string {
            GpuRank rank(c);
            GpuMemory memory(4096);
            const OnStream on = c.on(rank.stream());
            if (on.send(memory.data(), 1, kFloat, 2).code() != Errc::kInvalidArgument)
              return "a peer that is none";
            if (on.send(memory.data(), 1, kFloat, c.rank()).code() != Errc::kInvalidUsage)
              return "a message to oneself that nobody receives";
            const std::vector<Transfer> many(
                OnStream::kMostTransfers + 2,
                {.direction = Direction::kSend, .peer = 0, .source = memory.data(), .count = 1});
            if (c.rank() == 1 && on.exchange(many).code() != Errc::kInvalidUsage) return "too many";
            return text_of(c.barrier());
          }),
      "");
}

}  // namespace
}  // namespace sluice::test
