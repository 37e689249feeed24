// Wrong arguments are refused by the call itself, before anything is sent, and the communicator
// goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "support/ranks.hpp"

namespace sluice::test {
namespace {

using testing::HasSubstr;
using Call = std::function<Status(Communicator&)>;

struct WrongCall {
  const char* name;
  Call call;
  Errc code;
  const char* text;  // part of the sentence
};

std::vector<float> memory(64);
float* const at = memory.data();
const std::vector<std::size_t> two = {1, 1}, three = {1, 1, 1}, huge = {1, SIZE_MAX / 4};
constexpr DataType kFloat = DataType::kFloat32;
constexpr auto kArgument = Errc::kInvalidArgument;
const auto kBadType = static_cast<DataType>(77);
const auto kBadOp = static_cast<ReduceOp>(88);

Status transfer(Communicator& c, int peer, std::size_t count, void* data, DataType type) {
  const Communicator::Transfer one{.direction = Communicator::Transfer::Direction::kReceive,
                                   .peer = peer,
                                   .destination = data,
                                   .count = count,
                                   .type = type};
  return c.exchange({&one, 1});
}

// Of 2 ranks.
const WrongCall kWrongCalls[] = {
    {"null_input", [](auto& c) { return c.all_reduce(nullptr, at, 4, kFloat, ReduceOp::kSum); },
     kArgument, "input is null"},
    {"null_output", [](auto& c) { return c.all_reduce(at, nullptr, 4, kFloat, ReduceOp::kSum); },
     kArgument, "output is null"},
    {"type", [](auto& c) { return c.all_reduce(at, at, 4, kBadType, ReduceOp::kSum); }, kArgument,
     "data type 77"},
    {"type_broadcast", [](auto& c) { return c.broadcast(at, at, 4, kBadType, 0); }, kArgument,
     "data type 77"},
    {"type_v", [](auto& c) { return c.all_to_all_v(at, two, two, at + 8, two, two, kBadType); },
     kArgument, "data type 77"},
    {"operator", [](auto& c) { return c.all_reduce(at, at, 4, kFloat, kBadOp); }, kArgument,
     "operator 88"},
    {"root_negative", [](auto& c) { return c.broadcast(at, at, 4, kFloat, -1); }, kArgument,
     "root -1"},
    {"root_too_large", [](auto& c) { return c.reduce(at, at, 4, kFloat, ReduceOp::kSum, 2); },
     kArgument, "root 2"},
    {"count", [](auto& c) { return c.all_gather(at, at, SIZE_MAX / 2, kFloat); }, kArgument,
     "too large"},
    {"overlap", [](auto& c) { return c.all_reduce(at, at + 1, 4, kFloat, ReduceOp::kSum); },
     kArgument, "overlap"},
    {"overlap_blocks", [](auto& c) { return c.all_to_all(at, at + 3, 2, kFloat); }, kArgument,
     "overlap"},
    {"in_place_all_to_all", [](auto& c) { return c.all_to_all(at, at, 2, kFloat); }, kArgument,
     "overlap"},
    {"short_list",
     [](auto& c) {
       return c.reduce_scatter_v(at, at + 32, {two.data(), 1}, kFloat, ReduceOp::kSum);
     },
     kArgument, "counts has 1 entries"},
    {"long_list", [](auto& c) { return c.all_gather_v(at, at + 32, two, three, kFloat); },
     kArgument, "displacements has 3 entries"},
    {"huge_count", [](auto& c) { return c.all_gather_v(at, at + 32, huge, two, kFloat); },
     kArgument, "too large"},
    {"long_receive_list",
     [](auto& c) { return c.all_to_all_v(at, two, two, at + 32, three, two, kFloat); }, kArgument,
     "receive counts has 3 entries"},
    {"null_v", [](auto& c) { return c.all_to_all_v(nullptr, two, two, at, two, two, kFloat); },
     kArgument, "null"},
    {"peer", [](auto& c) { return c.send(at, 1, kFloat, 2); }, kArgument, "peer 2"},
    {"peer_negative", [](auto& c) { return c.receive(at, 1, kFloat, -1); }, kArgument, "peer -1"},
    {"null_send", [](auto& c) { return c.send(nullptr, 1, kFloat, 1); }, kArgument, "null"},
    {"null_receive", [](auto& c) { return transfer(c, 1 - c.rank(), 1, nullptr, kFloat); },
     kArgument, "null"},
    {"type_transfer", [](auto& c) { return transfer(c, 1 - c.rank(), 1, at, kBadType); }, kArgument,
     "data type 77"},
    {"count_transfer", [](auto& c) { return transfer(c, 1 - c.rank(), SIZE_MAX / 2, at, kFloat); },
     kArgument, "too large"},
    {"alone", [](auto& c) { return c.receive(at, 1, kFloat, c.rank()); }, Errc::kInvalidUsage,
     "from itself"},
};

TEST(Arguments, wrong_ones_are_refused_and_the_communicator_goes_on) {
  const auto body = [](Communicator& c) -> std::string {
    for (const WrongCall& wrong : kWrongCalls) {
      // On one rank only: nothing may have been sent.
      if (c.rank() == 1) {
        const Status status = wrong.call(c);
        if (status.code() != wrong.code)
          return std::string(wrong.name) + ": " + name(status.code()) + " " + text_of(status);
        if (last_error().find(wrong.text) == std::string::npos)
          return std::string(wrong.name) + ": " + last_error();
      }
      std::vector<float> one(4, 1);
      if (std::string error =
              text_of(c.all_reduce(one.data(), one.data(), 4, kFloat, ReduceOp::kSum));
          !error.empty())
        return std::string(wrong.name) + " ended the communicator: " + error;
      if (one[3] != 2) return std::string(wrong.name) + " spoiled the next result";
    }
    return {};
  };
  EXPECT_EQ(spawn_threads(2, body), "");
}

TEST(Arguments, a_second_call_in_flight_is_refused) {
  const auto body = [](Communicator& c) -> std::string {
    if (c.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      return text_of(c.barrier());
    }
    std::string first;
    std::thread waiting([&] { first = text_of(c.barrier()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(80));
    const Status second = c.barrier();
    const std::string text = last_error();
    waiting.join();
    if (!first.empty()) return first;
    if (second.code() != Errc::kInvalidUsage) return "the second call was let in";
    return text.find("in flight") == std::string::npos ? text : std::string();
  };
  EXPECT_EQ(spawn_threads(2, body), "");
}

TEST(Arguments, of_create) {
  const auto id = UniqueId::create();
  ASSERT_TRUE(id.ok());
  for (const auto& [rank, size] : {std::pair(-1, 2), {2, 2}, {0, 0}, {0, -3}}) {
    const auto made = Communicator::create(id.value(), rank, size);
    ASSERT_FALSE(made.ok());
    EXPECT_EQ(made.status().code(), kArgument);
    EXPECT_THAT(last_error(), HasSubstr("rank " + std::to_string(rank)));
  }
  Options options;
  options.transport = "carrier pigeon";
  auto made = Communicator::create(id.value(), 0, 1, options);
  EXPECT_EQ(made.status().code(), kArgument);
  EXPECT_THAT(last_error(), HasSubstr("carrier pigeon"));
}

TEST(Arguments, of_an_unknown_algorithm) {
  const auto id = UniqueId::create();
  ASSERT_TRUE(id.ok());
  Options options;
  options.algorithm = "all_reduce:magic";
  EXPECT_EQ(Communicator::create(id.value(), 0, 1, options).status().code(), kArgument);
  EXPECT_THAT(last_error(), HasSubstr("all_reduce:magic"));
}

}  // namespace
}  // namespace sluice::test
