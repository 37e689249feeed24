// Joining, all-gather, events: ranks as threads of one process.
#include "bootstrap/bootstrap.hpp"

#include "bootstrap_test_support.hpp"

namespace sluice::bootstrap::test {
namespace {

using Kind = Bootstrap::Event::Kind;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class BootstrapRanks : public testing::TestWithParam<int> {};

TEST_P(BootstrapRanks, everybody_gets_every_blob_in_rank_order) {
  const int size = GetParam();
  const UniqueId id = local_id();
  run_ranks(size, [&](int rank) {
    auto joined = join(id, rank, size);
    ASSERT_TRUE(joined.bootstrap) << joined.text;
    EXPECT_EQ(joined.bootstrap->rank(), rank);
    EXPECT_EQ(joined.bootstrap->size(), size);
    for (int round = 0; round < 20; ++round) {
      const auto bytes_of = [round](int of) {
        return static_cast<std::size_t>((of * 13 + round * 5) % 97);
      };
      auto all = joined.bootstrap->all_gather(blob_of(rank, round, bytes_of(rank)), soon());
      ASSERT_TRUE(all.ok()) << last_error();
      ASSERT_EQ(all.value().size(), static_cast<std::size_t>(size));
      for (int of = 0; of < size; ++of) {
        EXPECT_EQ(all.value()[static_cast<std::size_t>(of)], blob_of(of, round, bytes_of(of)));
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Ranks, BootstrapRanks, testing::Range(1, 10));

TEST(Bootstrap, sixty_four_ranks_join_and_gather) {
  const int size = 64;
  const UniqueId id = local_id();
  run_ranks(size, [&](int rank) {
    auto joined = join(id, rank, size);
    ASSERT_TRUE(joined.bootstrap) << joined.text;
    auto all = joined.bootstrap->all_gather(blob_of(rank, 0, 100), soon());
    ASSERT_TRUE(all.ok()) << last_error();
    EXPECT_EQ(all.value()[63], blob_of(63, 0, 100));
  });
}

TEST(Bootstrap, blobs_may_be_empty_or_large) {
  const int size = 3;
  const UniqueId id = local_id();
  run_ranks(size, [&](int rank) {
    auto joined = join(id, rank, size);
    ASSERT_TRUE(joined.bootstrap) << joined.text;
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1} << 20, kMaxBlobBytes}) {
      const std::size_t mine = rank == 1 ? 0 : bytes;
      auto all = joined.bootstrap->all_gather(blob_of(rank, 1, mine), soon());
      ASSERT_TRUE(all.ok()) << last_error();
      EXPECT_EQ(all.value()[0].size(), bytes);
      EXPECT_EQ(all.value()[1].size(), 0U);
      EXPECT_TRUE(all.value()[2] == blob_of(2, 1, bytes));
    }
  });
}

TEST(Bootstrap, a_blob_above_the_limit_is_an_argument_error) {
  auto alone = join(local_id(), 0, 1);
  ASSERT_TRUE(alone.bootstrap) << alone.text;
  const auto result = alone.bootstrap->all_gather(Bootstrap::Blob(kMaxBlobBytes + 1), soon());
  EXPECT_EQ(result.status().code(), Errc::kInvalidArgument);
}

TEST(Bootstrap, rank_zero_serves_a_well_known_port_and_the_port_is_free_for_the_next_job) {
  const UniqueId id = well_known_id(free_port());
  run_ranks(4, [&](int rank) {
    // The first job is still alive when the second one starts on the same port.
    auto first = join(id, rank, 4);
    ASSERT_TRUE(first.bootstrap) << first.text;
    auto second = join(id, rank, 4);
    ASSERT_TRUE(second.bootstrap) << second.text;
    EXPECT_TRUE(first.bootstrap->all_gather(blob_of(rank, 0, 3), soon()).ok());
    EXPECT_TRUE(second.bootstrap->all_gather(blob_of(rank, 0, 5), soon()).ok());
  });
}

TEST(Bootstrap, a_taken_port_is_named_with_the_way_out) {
  OpenResult holder = listen_on(Address{}.loopback());
  const std::uint16_t port = local_address(holder.fd).value().port;
  const auto joined = join(well_known_id(port), 0, 2);
  EXPECT_EQ(joined.code, Errc::kSystemError);
  EXPECT_TRUE(contains(joined.text, "SLUICE_PORT") && contains(joined.text, std::to_string(port)))
      << joined.text;
}

TEST(Bootstrap, a_rank_taken_twice_is_refused_by_name) {
  const UniqueId id = local_id();
  std::vector<Joined> twins(2);
  std::thread other([&] { twins[1] = join(id, 1, 3, soon(std::chrono::milliseconds(700))); });
  twins[0] = join(id, 1, 3, soon(std::chrono::milliseconds(700)));
  other.join();
  const bool first_refused = twins[0].code == Errc::kInvalidUsage;
  const Joined& refused = twins[first_refused ? 0 : 1];
  const Joined& waited = twins[first_refused ? 1 : 0];
  EXPECT_EQ(refused.code, Errc::kInvalidUsage);
  EXPECT_TRUE(contains(refused.text, "rank 1 is taken twice")) << refused.text;
  EXPECT_EQ(waited.code, Errc::kTimeout);
  EXPECT_TRUE(contains(waited.text, "rank 0 and 2 of 3 did not join")) << waited.text;
  EXPECT_TRUE(contains(waited.text, "rank 1 is taken twice")) << waited.text;
}

TEST(Bootstrap, sizes_that_differ_are_both_named) {
  const UniqueId id = local_id();
  std::vector<Joined> both(2);
  std::thread other([&] { both[1] = join(id, 1, 3, soon(std::chrono::milliseconds(700))); });
  both[0] = join(id, 0, 2, soon(std::chrono::milliseconds(700)));
  other.join();
  const bool first_refused = both[0].code == Errc::kInvalidUsage;
  const std::string& text = both[first_refused ? 0 : 1].text;
  EXPECT_TRUE(
      contains(text, first_refused ? "says the job has 2 ranks" : "says the job has 3 ranks"))
      << text;
  EXPECT_TRUE(contains(text, first_refused ? "rank 1 (pid" : "rank 0 (pid")) << text;
}

TEST(Bootstrap, missing_ranks_are_named) {
  const UniqueId id = local_id();
  run_ranks(8, [&](int rank) {
    if (rank == 2 || rank == 5) return;
    const auto joined = join(id, rank, 8, soon(std::chrono::milliseconds(400)));
    EXPECT_EQ(joined.code, Errc::kTimeout);
    EXPECT_TRUE(contains(joined.text, "rank 2 and 5 of 8 did not join within 0.")) << joined.text;
  });
}

TEST(Bootstrap, missing_ranks_are_named_where_rank_zero_serves) {
  const UniqueId id = well_known_id(free_port());
  run_ranks(3, [&](int rank) {
    if (rank == 1) return;
    const auto joined = join(id, rank, 3, soon(std::chrono::milliseconds(400)));
    EXPECT_EQ(joined.code, Errc::kTimeout);
    EXPECT_TRUE(contains(joined.text, "rank 1 of 3")) << joined.text;
  });
}

TEST(Bootstrap, an_unreachable_server_is_named_with_its_port) {
  const std::uint16_t port = free_port();
  const auto joined = join(well_known_id(port), 1, 2, soon(std::chrono::milliseconds(200)));
  EXPECT_EQ(joined.code, Errc::kTimeout);
  EXPECT_TRUE(contains(joined.text, "127.0.0.1:" + std::to_string(port)) &&
              contains(joined.text, "refused"))
      << joined.text;
}

TEST(Bootstrap, after_a_failed_join_the_id_still_works) {
  const UniqueId id = local_id();
  EXPECT_EQ(join(id, 0, 2, soon(std::chrono::milliseconds(100))).code, Errc::kTimeout);
  const auto all = join_all(id, 3);
  EXPECT_EQ(all[2].bootstrap->size(), 3);
}

TEST(Bootstrap, wrong_arguments_and_damaged_ids_are_refused_before_anything_is_sent) {
  const UniqueId id = well_known_id(1);
  EXPECT_EQ(join(id, 2, 2).code, Errc::kInvalidArgument);
  EXPECT_EQ(join(id, -1, 2).code, Errc::kInvalidArgument);
  EXPECT_EQ(join(id, 0, 0).code, Errc::kInvalidArgument);
  EXPECT_EQ(join(UniqueId{}, 0, 1).code, Errc::kInvalidArgument);
  for (std::size_t at = 0; at < id.bytes.size(); ++at) {
    UniqueId damaged = id;
    damaged.bytes[at] ^= std::byte{1};
    EXPECT_EQ(join(damaged, 0, 1).code, Errc::kInvalidArgument) << "byte " << at;
  }
}

TEST(Bootstrap, an_id_survives_the_trip_through_its_bytes) {
  IdFields fields;
  fields.server.family = AF_INET6;
  fields.server.ip[15] = 1;
  fields.server.port = 4711;
  fields.server.scope = 3;
  fields.secret = random_secret();
  fields.any_interface = true;
  const auto back = decode_unique_id(encode_unique_id(fields));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value().server.text(), "[::1]:4711");
  EXPECT_EQ(back.value().server.scope, 3U);
  EXPECT_EQ(back.value().secret, fields.secret);
  EXPECT_TRUE(back.value().any_interface);
  EXPECT_FALSE(back.value().rank_zero_serves);
}

TEST(Bootstrap, ranks_derive_one_key_per_purpose) {
  const auto all = join_all(local_id(), 2);
  const auto key = all[0].bootstrap->derive_key("shared memory");
  EXPECT_EQ(key, all[1].bootstrap->derive_key("shared memory"));
  EXPECT_NE(key, all[0].bootstrap->derive_key("ethernet"));
  const auto others = join_all(local_id(), 1);
  EXPECT_NE(key, others[0].bootstrap->derive_key("shared memory"));
}

TEST(Bootstrap, leaving_is_silent_and_the_rest_goes_on) {
  auto all = join_all(local_id(), 4);
  std::vector<EventLog> logs(4);
  for (std::size_t rank = 0; rank < 4; ++rank) all[rank].bootstrap->watch(logs[rank].listener());
  all[0].bootstrap.reset();
  all[2].bootstrap.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  EXPECT_TRUE(logs[1].all().empty());
  EXPECT_TRUE(logs[3].all().empty());
  all[1].bootstrap->send_abort(Errc::kInvalidUsage, "still connected");
  EXPECT_TRUE(logs[3].saw(Kind::kAbort, 1));
}

TEST(Bootstrap, an_all_gather_does_not_wait_for_a_rank_that_left) {
  auto all = join_all(local_id(), 3);
  all[1].bootstrap.reset();
  const auto result = all[0].bootstrap->all_gather(Bootstrap::Blob(3), soon());
  EXPECT_EQ(result.status().code(), Errc::kRemoteError);
  EXPECT_TRUE(contains(last_error(), "rank 1") && contains(last_error(), "has left"))
      << last_error();
}

TEST(Bootstrap, an_all_gather_that_times_out_names_who_is_late) {
  auto all = join_all(local_id(), 3);
  const auto result =
      all[0].bootstrap->all_gather(Bootstrap::Blob(3), soon(std::chrono::milliseconds(50)));
  EXPECT_EQ(result.status().code(), Errc::kTimeout);
  EXPECT_TRUE(contains(last_error(), "rank 1 and 2 of 3")) << last_error();
}

TEST(Bootstrap, an_abort_reaches_every_other_rank_with_code_and_text) {
  auto all = join_all(local_id(), 3);
  std::vector<EventLog> logs(3);
  for (std::size_t rank = 0; rank < 3; ++rank) all[rank].bootstrap->watch(logs[rank].listener());
  all[1].bootstrap->send_abort(Errc::kInvalidUsage, "count 3\nhere, 4 there");
  for (const std::size_t rank : {0U, 2U}) {
    ASSERT_TRUE(logs[rank].saw(Kind::kAbort, 1));
    EXPECT_EQ(logs[rank].all()[0].code, Errc::kInvalidUsage);
    EXPECT_TRUE(contains(logs[rank].all()[0].text, "count 3?here, 4 there"))
        << logs[rank].all()[0].text;
    EXPECT_EQ(all[rank].bootstrap->all_gather({}, soon()).status().code(), Errc::kAborted);
  }
  EXPECT_TRUE(logs[1].all().empty());
}

TEST(Bootstrap, a_late_watcher_hears_of_what_has_happened) {
  auto all = join_all(local_id(), 2);
  EventLog early;
  all[0].bootstrap->watch(early.listener());
  all[1].bootstrap->send_abort(Errc::kAborted, "now");
  ASSERT_TRUE(early.saw(Kind::kAbort, 1));
  EventLog late;
  all[0].bootstrap->watch(late.listener());
  EXPECT_TRUE(late.saw(Kind::kAbort, 1));
  EXPECT_EQ(early.all().size(), 1U);
}

TEST(Bootstrap, a_watcher_may_replace_itself) {
  auto all = join_all(local_id(), 2);
  EventLog log;
  all[0].bootstrap->watch(
      [&](const Bootstrap::Event&) { all[0].bootstrap->watch(log.listener()); });
  all[1].bootstrap->send_abort(Errc::kAborted, "now");
  EXPECT_TRUE(log.saw(Kind::kAbort, 1));
}

}  // namespace
}  // namespace sluice::bootstrap::test
