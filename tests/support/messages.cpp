#include "support/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "support/data.hpp"

namespace sluice::test {
namespace {

using Transfer = Communicator::Transfer;
constexpr std::array<std::size_t, 9> kSizes = {0, 1, 33, 4096, 16383, 16384, 32768, 65537, 600'001};

/// Different for every message of a pair.
std::uint64_t first_of(int from, int to, std::size_t message) {
  return static_cast<std::uint64_t>(from) * 31 + static_cast<std::uint64_t>(to) * 7 + message * 3;
}
TilePointer bytes_tile() { return input_tile(DataType::kUint8, ReduceOp::kSum, Values::kReal, 0); }

struct Message {
  Transfer transfer;
  std::vector<std::byte> data;
  std::uint64_t first;
};

Message message(bool sends, int me, int peer, std::size_t index) {
  const int from = sends ? me : peer, to = sends ? peer : me;
  // The larger sizes only with the next rank, for time's sake.
  const std::size_t bytes = kSizes[index] > 70'000 && (from + 1) % 3 != to % 3 ? 17 : kSizes[index];
  Message m{{}, std::vector<std::byte>(bytes, std::byte{0xa5}), first_of(from, to, index)};
  if (sends) bytes_tile()->fill(m.data.data(), m.first, bytes);
  m.transfer = {.direction = sends ? Transfer::Direction::kSend : Transfer::Direction::kReceive,
                .peer = peer,
                .source = m.data.data(),
                .destination = m.data.data(),
                .count = bytes,
                .type = DataType::kUint8};
  return m;
}

}  // namespace

std::string exchange_everything(Communicator& c) {
  return exchange_everything_by(
      c, [&](std::span<const Transfer> transfers) { return c.exchange(transfers); });
}

std::string exchange_everything_by(const Communicator& c, const Exchange& exchange) {
  std::vector<Message> messages;
  for (int peer = 0; peer < c.size(); ++peer)
    for (std::size_t i = 0; i < kSizes.size(); ++i)
      for (const bool sends : {true, false}) messages.push_back(message(sends, c.rank(), peer, i));
  std::vector<Transfer> transfers;
  for (const Message& m : messages) transfers.push_back(m.transfer);
  if (std::string error = text_of(exchange(transfers)); !error.empty()) return error;
  for (const Message& m : messages)
    if (m.transfer.direction == Transfer::Direction::kReceive &&
        bytes_tile()->mismatch(m.data.data(), m.first, m.data.size()) != m.data.size())
      return fmt::format("wrong bytes in the message of {} from rank {}", m.data.size(),
                         m.transfer.peer);
  return {};
}

std::string random_all_to_all_v(Communicator& c, int rounds) {
  return random_all_to_all_v_by(c, rounds, [&](RaggedAllToAll& call) {
    return c.all_to_all_v(call.input.data(), call.sent, call.sent_at, call.output.data(),
                          call.received, call.received_at, DataType::kFloat32);
  });
}

std::string random_all_to_all_v_by(const Communicator& c, int rounds,
                                   const AllToAllVOf& all_to_all_v) {
  const auto p = static_cast<std::size_t>(c.size()), me = static_cast<std::size_t>(c.rank());
  std::mt19937_64 random(42);  // the same on every rank
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::size_t> all(p * p);  // [from * p + to]
    for (std::size_t& count : all)
      count = random() % 4 == 0 ? 0 : random() % (random() % 8 == 0 ? 60'000 : 300);
    RaggedAllToAll call{std::vector<std::size_t>(p),
                        std::vector<std::size_t>(p),
                        std::vector<std::size_t>(p),
                        std::vector<std::size_t>(p),
                        {},
                        {}};
    auto& [sent, sent_at, received, received_at, input, output] = call;
    std::size_t input_size = 0, output_size = 0;
    for (std::size_t r = 0; r < p; ++r) {
      sent[r] = all[me * p + r], received[r] = all[r * p + me];
      sent_at[r] = input_size + r, received_at[r] = output_size + 2 * r;
      input_size = sent_at[r] + sent[r], output_size = received_at[r] + received[r];
    }
    const TilePointer tile = input_tile(DataType::kFloat32, ReduceOp::kSum, Values::kReal, 0);
    input.resize(input_size), output.resize(output_size);
    const auto number = static_cast<std::size_t>(round);
    for (std::size_t r = 0; r < p; ++r)
      tile->fill(reinterpret_cast<std::byte*>(input.data() + sent_at[r]), me * 5 + r * 11 + number,
                 sent[r]);
    if (const Status status = all_to_all_v(call); !status.ok()) return text_of(status);
    for (std::size_t r = 0; r < p; ++r)
      if (tile->mismatch(reinterpret_cast<const std::byte*>(output.data() + received_at[r]),
                         r * 5 + me * 11 + number, received[r]) != received[r])
        return fmt::format("round {}: wrong elements from rank {}", round, r);
  }
  return {};
}

std::string wrong_size(Communicator& c, std::size_t sent, std::size_t wanted) {
  std::vector<float> data(std::max(sent, wanted));
  Status status;
  if (c.rank() == 0) status = c.send(data.data(), sent, DataType::kFloat32, 1);
  if (c.rank() == 1) status = c.receive(data.data(), wanted, DataType::kFloat32, 0);
  if (c.rank() == 1) {
    const std::string text = last_error();
    if (status.code() != Errc::kInvalidUsage)
      return std::string("not invalid usage: ") + name(status.code()) + " " + text;
    for (const std::size_t bytes : {sent * sizeof(float), wanted * sizeof(float)})
      if (text.find(fmt::format("{} bytes", bytes)) == std::string::npos &&
          text.find(fmt::format("found {}", bytes)) == std::string::npos)
        return fmt::format("{} bytes are not named: {}", bytes, text);
    return {};
  }
  if (status.ok()) status = c.barrier();
  return status.code() == Errc::kInvalidUsage ? std::string()
                                              : "the sender was told: " + text_of(status);
}

std::string wrong_type(Communicator& c, std::size_t count) {
  std::vector<float> data(count);
  Status status;
  if (c.rank() == 0) status = c.send(data.data(), count, DataType::kFloat32, 1);
  if (c.rank() == 1) status = c.receive(data.data(), count, DataType::kInt32, 0);
  if (status.ok()) status = c.barrier();
  const std::string text = last_error();
  if (status.code() != Errc::kInvalidUsage)
    return std::string("not invalid usage: ") + name(status.code()) + " " + text;
  for (const char* part : {"float", "int32"})
    if (text.find(part) == std::string::npos) return fmt::format("{} is not named: {}", part, text);
  return {};
}

}  // namespace sluice::test
