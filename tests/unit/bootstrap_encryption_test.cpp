// The rendezvous encrypted, with somebody on the way who reads and changes what is said.
#include <string_view>

#include "base/error.hpp"
#include "bootstrap_test_support.hpp"
#include "unit/middleman.hpp"

namespace sluice::bootstrap::test {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kSecretText = "words that nobody else may read ";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Bootstrap::Blob known_text(std::size_t bytes) {
  Bootstrap::Blob made(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    made[i] = static_cast<std::byte>(kSecretText[i % kSecretText.size()]);
  return made;
}

Joined join_with(const UniqueId& id, int rank, int size, bool encrypt, Deadline deadline = soon()) {
  auto result = Bootstrap::join(id, rank, size, deadline, encrypt);
  if (result.ok()) return {std::move(result).value(), Errc::kOk, ""};
  return {nullptr, result.status().code(), last_error()};
}

/// A job of three whose rank 2 meets the others over a man in the middle.
struct Job {
  explicit Job(bool encrypt)
      : id(local_id()), middleman(decode_unique_id(id).value().server, encrypt), ranks(3) {
    IdFields detour = decode_unique_id(id).value();
    detour.server = middleman.address();
    const UniqueId over_middleman = encode_unique_id(detour);
    run_ranks(3, [&](int rank) {
      ranks[static_cast<std::size_t>(rank)] =
          join_with(rank == 2 ? over_middleman : id, rank, 3, encrypt);
    });
    for (const Joined& each : ranks) EXPECT_TRUE(each.bootstrap) << each.text;
  }
  void gather(std::size_t bytes) {
    run_ranks(3, [&](int rank) {
      const auto blobs =
          ranks[static_cast<std::size_t>(rank)].bootstrap->all_gather(known_text(bytes), soon());
      ASSERT_TRUE(blobs.ok()) << last_error();
      for (const auto& blob : blobs.value()) EXPECT_EQ(blob, known_text(bytes));
    });
  }

  UniqueId id;
  Middleman middleman;
  std::vector<Joined> ranks;
};

TEST(BootstrapEncryption, blobs_cannot_be_read_on_the_way) {
  Job job(true);
  for (const std::size_t bytes : {1000, 0, 300'000}) job.gather(bytes);
  EXPECT_GT(job.middleman.bytes_seen(), 900'000u);
  EXPECT_FALSE(job.middleman.saw(kSecretText));
}

TEST(BootstrapEncryption, without_it_they_can) {
  Job job(false);
  job.gather(1000);
  EXPECT_TRUE(job.middleman.saw(kSecretText));
}

TEST(BootstrapEncryption, what_was_altered_towards_the_server_loses_the_rank) {
  for (const std::size_t at : {std::size_t{3}, std::size_t{4}, std::size_t{30}, std::size_t{60}}) {
    Job job(true);
    EventLog log;
    job.ranks[0].bootstrap->watch(log.listener());
    job.middleman.edit([at](const Middleman::Piece& piece) -> std::vector<Bytes> {
      Bytes bytes = piece.bytes;
      if (piece.to_server && at < bytes.size()) bytes[at] ^= std::byte{0x40};
      return {bytes};
    });
    EXPECT_FALSE(job.ranks[2].bootstrap->all_gather(known_text(100), soon()).ok());
    EXPECT_TRUE(log.saw(Bootstrap::Event::Kind::kLost, 2)) << "byte " << at;
    job.ranks[0].bootstrap->watch(nullptr);
  }
}

TEST(BootstrapEncryption, what_was_altered_repeated_or_left_out_towards_a_rank_is_not_believed) {
  using Change = std::vector<Bytes> (*)(const Bytes&);
  const Change changes[] = {
      [](const Bytes& record) -> std::vector<Bytes> {
        Bytes changed = record;
        changed[20] ^= std::byte{1};
        return {changed};
      },
      [](const Bytes& record) -> std::vector<Bytes> {
        return {record, record};
      },
      [](const Bytes&) -> std::vector<Bytes> { return {}; },
  };
  for (const Change change : changes) {
    Job job(true);
    job.middleman.edit([change, done = false](const Middleman::Piece& piece) mutable {
      const bool now = !piece.to_server && !std::exchange(done, true);
      return now ? change(piece.bytes) : std::vector<Bytes>{piece.bytes};
    });
    std::string error;
    run_ranks(3, [&](int rank) {
      auto& bootstrap = job.ranks[static_cast<std::size_t>(rank)].bootstrap;
      for (int round = 0; round < 3; ++round) {
        if (bootstrap->all_gather(known_text(100), soon()).ok()) continue;
        if (rank == 2) error = last_error();
        return;
      }
    });
    EXPECT_TRUE(contains(error, "not authentic")) << error;
  }
}

TEST(BootstrapEncryption, a_rank_that_differs_is_named_with_who_it_differs_from) {
  for (const bool encrypt : {true, false}) {
    const UniqueId id = local_id();
    Joined first;
    std::thread waiting([&] { first = join_with(id, 0, 2, encrypt, soon(milliseconds(1500))); });
    std::this_thread::sleep_for(milliseconds(300));
    const Joined second = join_with(id, 1, 2, !encrypt);
    waiting.join();
    EXPECT_EQ(second.code, Errc::kInvalidUsage);
    EXPECT_EQ(first.code, Errc::kTimeout);
    const std::string expected = encrypt ? " does not encrypt, rank 0 (" : " encrypts, rank 0 (";
    for (const Joined& each : {std::cref(first), std::cref(second)}) {
      EXPECT_TRUE(contains(each.text, expected)) << each.text;
      EXPECT_TRUE(contains(each.text, "rank 1 (")) << each.text;
      EXPECT_TRUE(contains(each.text, "SLUICE_ENCRYPT")) << each.text;
    }
  }
}

TEST(BootstrapEncryption, nobody_on_the_way_turns_it_off) {
  const UniqueId id = local_id();
  Middleman middleman(decode_unique_id(id).value().server, true);
  IdFields detour = decode_unique_id(id).value();
  detour.server = middleman.address();
  // The server believes the client does not want it, with and without telling the client.
  for (const bool told : {false, true}) {
    middleman.edit(greetings_say(false, !told));
    const Joined joined = join_with(encode_unique_id(detour), 0, 1, true);
    EXPECT_NE(joined.code, Errc::kOk);
    EXPECT_TRUE(contains(joined.text, told ? "somebody on the way" : "another secret"))
        << joined.text;
  }
}

}  // namespace
}  // namespace sluice::bootstrap::test
