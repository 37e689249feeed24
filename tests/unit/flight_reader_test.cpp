// What a segment's header says from outside, while its owner writes it and when it is no header.
#include "communicator/flight_reader.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "channel/fabric.hpp"
#include "communicator/flight_text.hpp"
#include "communicator/operation.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kRanks = 4;
constexpr SegmentLayout kLayout{kRanks};

/// A segment's header as a communicator makes it.
class FlightReader : public testing::Test {
 protected:
  FlightReader() {
    header_.ranks = kRanks;
    header_.rank = 2;
    header_.communicator = 77;
    header_.pid = 1234;
    header_.magic = kSegmentMagic;
  }
  void begin(std::uint64_t epoch, Collective collective = Collective::kAllReduce) {
    Call call(collective, DataType::kFloat32);
    call.count = 1024;
    note(call, epoch, current_);
    header_.records[epoch % kRecords] = current_;
    header_.lanes[kStarted].value = epoch;
  }
  void end(std::uint64_t epoch) { header_.records[epoch % kRecords].ended = epoch; }
  RankFlight read() const {
    auto read = read_flight(header_, kLayout.bytes());
    EXPECT_TRUE(std::holds_alternative<RankFlight>(read)) << std::get<std::string>(read);
    return std::get<RankFlight>(read);
  }
  std::string refusal(std::uint64_t file_bytes = kLayout.bytes()) const {
    const auto read = read_flight(header_, file_bytes);
    const auto* text = std::get_if<std::string>(&read);
    return text == nullptr ? "" : *text;
  }

  const std::unique_ptr<SegmentHeader> owned_ = std::make_unique<SegmentHeader>();
  SegmentHeader& header_ = *owned_;
  OperationRecord current_{};
};

TEST_F(FlightReader, follows_a_rank_from_its_first_call_to_its_leaving) {
  EXPECT_EQ(read().state, RankFlight::State::kIdle);
  EXPECT_EQ(whereabouts(read()), "in no call yet");
  begin(1);
  header_.lanes[kResults].value = (1 << kStepBits) + 3;
  EXPECT_EQ(read().state, RankFlight::State::kInOperation);
  EXPECT_EQ(whereabouts(read()), "in all_reduce #1 (count 1024, float, sum), step 3");
  end(1);
  EXPECT_EQ(whereabouts(read()), "idle since the end of all_reduce #1 (count 1024, float, sum)");
  header_.lanes[kExchanging].value = 5;
  EXPECT_EQ(read().state, RankFlight::State::kMessages);
  header_.lanes[kExchanging].value = 6;
  begin(2, Collective::kBarrier);
  EXPECT_EQ(whereabouts(read()), "in barrier #2");
  end(2);
  header_.lanes[kStarted].value = kLeft;
  EXPECT_EQ(whereabouts(read()), "has left, its last call barrier #2");
  EXPECT_EQ(read().pid, 1234);
  EXPECT_EQ(read().communicator, 77u);
}

TEST_F(FlightReader, tells_the_last_operations_newest_first_also_where_numbers_were_left_out) {
  for (std::uint64_t epoch : {98, 99, 100, 103, 104}) begin(epoch);
  const auto operations = read().operations;
  std::vector<std::uint64_t> numbers;
  for (const OperationRecord& record : operations) numbers.push_back(record.epoch);
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{104, 103, 100, 99, 98}));
  header_.lanes[kStarted].value = kOut;
  EXPECT_EQ(read().operations.front().epoch, 104u);
  EXPECT_EQ(read().state, RankFlight::State::kHasFailed);
}

TEST_F(FlightReader, tells_the_error_also_of_a_rank_that_is_in_no_call) {
  begin(1);
  end(1);
  write_error(header_.error, Errc::kRemoteError, "rank 0 (pid 7) was \033[lost");
  EXPECT_EQ(read().error.code, Errc::kRemoteError);
  EXPECT_EQ(whereabouts(read()),
            "has failed, its last call all_reduce #1 (count 1024, float, sum): rank 0 (pid 7) was "
            "?[lost");
  write_error(header_.error, Errc::kRemoteError, std::string(1000, 'x'));
  EXPECT_EQ(read().error.text, std::string(ErrorNote::kTextWords * 8, 'x'));
}

TEST_F(FlightReader, refuses_what_is_no_segment_and_says_why) {
  EXPECT_EQ(refusal(), "");
  EXPECT_EQ(refusal(kLayout.bytes() - 1).find("has "), 0u);
  header_.rank = kRanks;
  EXPECT_EQ(refusal(), "says that it is of rank 4 of 4");
  header_.rank = 0;
  header_.ranks = ~0ull;  // whose segment's size would overflow
  EXPECT_NE(refusal(~0ull), "");
  header_.ranks = 0;
  EXPECT_NE(refusal(), "");
  header_.magic = kSegmentMagic + 1;
  EXPECT_NE(refusal().find("another version?"), std::string::npos);
  header_.magic = 0;
  EXPECT_EQ(refusal(), "is not set up yet");
}

TEST_F(FlightReader, makes_something_of_every_header_with_the_right_identity) {
  std::uint64_t state = 42;
  auto* words = reinterpret_cast<std::uint64_t*>(&header_);
  constexpr std::size_t kIdentityWords = 6;
  for (int round = 0; round < 200; ++round) {
    for (std::size_t i = kIdentityWords; i < sizeof header_ / sizeof *words; ++i) {
      state = state * 6364136223846793005 + 1442695040888963407;
      words[i] = round % 2 == 0 ? state : state >> 60;
    }
    const RankFlight flight = read();
    EXPECT_FALSE(whereabouts(flight).empty());
    EXPECT_EQ(wait_text(flight, 1).empty(), !flight.wait.has_value());
    EXPECT_LT(flight.wait ? flight.wait->peer : 0, kRanks);
    SeenCommunicator communicator{.id = 1, .ranks = flight.ranks, .seen = {}};
    communicator.seen.push_back({.flight = flight, .process = std::nullopt});
    EXPECT_EQ(verdict(communicator, 1).size(), 1u);
  }
}

TEST_F(FlightReader, sees_each_wait_whole_while_its_owner_writes_the_next) {
  std::atomic<bool> over = false;
  std::thread owner([&] {
    for (std::uint64_t n = 1; !over; ++n) {
      const LongWait wait{.word = nullptr,
                          .expected = n,
                          .seen = n,
                          .peer = static_cast<std::int32_t>(n % kRanks),
                          .since_ns = n};
      write_wait(header_.wait, wait, {.segment_ranks = n, .offset = n});
    }
  });
  std::uint64_t last = 0;
  for (int look = 0; look < 20'000; ++look) {
    const WaitNote wait = read_wait(header_.wait);
    if (wait.turn % 2 != 0) continue;  // the owner was always just writing
    EXPECT_GE(wait.since_ns, last);
    last = wait.since_ns;
    for (const std::uint64_t word : {wait.expected, wait.seen, wait.segment_ranks, wait.offset})
      ASSERT_EQ(word, wait.since_ns);
    ASSERT_EQ(wait.peer, wait.since_ns % kRanks);
  }
  over = true;
  owner.join();
  clear_wait(header_.wait);
  EXPECT_FALSE(read().wait);
}

TEST_F(FlightReader, shows_a_note_that_its_owner_was_stopped_in) {
  header_.wait = {.turn = 3,
                  .since_ns = 5,
                  .peer = 1,
                  .expected = 2,
                  .seen = 1,
                  .segment_ranks = kRanks,
                  .offset = offsetof(SegmentHeader, exposures)};
  ASSERT_TRUE(read().wait);
  EXPECT_EQ(wait_text(read(), 1'000'000'005), "waits 1.0 s for rank 1: buffers of #2");
  header_.wait.segment_ranks = kRanks + 1;
  EXPECT_FALSE(read().wait);
  header_.wait.segment_ranks = kRanks;
  header_.wait.peer = kRanks;
  EXPECT_FALSE(read().wait);
}

TEST_F(FlightReader, names_what_is_waited_for) {
  const auto text = [](std::uint64_t offset, std::uint64_t expected, std::uint64_t seen) {
    return awaited({.turn = 0,
                    .since_ns = 1,
                    .peer = 1,
                    .expected = expected,
                    .seen = seen,
                    .segment_ranks = kRanks,
                    .offset = offset},
                   kRanks);
  };
  const auto lane = [](LaneName name) {
    return offsetof(SegmentHeader, lanes) + name * sizeof(Lane);
  };
  constexpr std::uint64_t kTwelve = 12 << kStepBits;
  EXPECT_EQ(text(lane(kResults), kTwelve + 3, kTwelve + 2),
            "results of #12, step 3 (now #12, step 2)");
  EXPECT_EQ(text(lane(kStarted), 13, 12), "the end of #12 there (now in #12)");
  EXPECT_EQ(text(kLayout.packets(3, 5), kTwelve, kTwelve - 1), "packets of #12");
  EXPECT_EQ(text(kLayout.packets(kRanks, 31), kTwelve, 0), "packets of #12");
  EXPECT_EQ(text(kLayout.credit(3), 9, 8), "fragment 9 of the link to be taken (now 8)");
  EXPECT_EQ(text(kLayout.link_slot(3, 1), 9, 5), "fragment 9 of the link");
  EXPECT_EQ(text(offsetof(SegmentHeader, pid), 9, 5).find("9 at byte 40"), 0u);
  EXPECT_EQ(awaited({.turn = 0,
                     .since_ns = 1,
                     .peer = 1,
                     .expected = (3 << kStepBits) + 1,
                     .seen = 0,
                     .segment_ranks = 2,
                     .offset = lane(kInputs)},
                    kRanks),
            "within the host, inputs of #3, step 1 (now #0, step 0)");
  EXPECT_EQ(awaited({.turn = 0,
                     .since_ns = 1,
                     .peer = 1,
                     .expected = 2,
                     .seen = 1,
                     .segment_ranks = 0,
                     .offset = 0},
                    kRanks),
            "signal 2 of a channel (now 1)");
}

/// Ranks of a made-up job, by hand.
class FlightVerdict : public testing::Test {
 protected:
  static constexpr std::uint64_t kNow = 10'000'000'000;

  /// A rank in operation `epoch`, or idle after it.
  SeenRank& add(int rank, std::uint64_t epoch, bool ended = false) {
    SeenRank seen;
    seen.flight.ranks = communicator_.ranks;
    seen.flight.rank = rank;
    seen.flight.pid = 100 + rank;
    Call call(Collective::kBarrier, DataType::kUint8);
    OperationRecord record{};
    note(call, epoch, record);
    seen.flight.operations = {record};
    seen.flight.state = ended ? RankFlight::State::kIdle : RankFlight::State::kInOperation;
    seen.process = ProcessSight{.pid = 100 + rank, .command = "job", .state = 'S'};
    communicator_.seen.push_back(std::move(seen));
    return communicator_.seen.back();
  }
  void waits(int rank, std::uint64_t peer, std::uint64_t ms) {
    add(rank, 7).flight.wait = WaitNote{.turn = 0,
                                        .since_ns = kNow - ms * 1'000'000,
                                        .peer = peer,
                                        .expected = 7,
                                        .seen = 6,
                                        .segment_ranks = 5,
                                        .offset = offsetof(SegmentHeader, exposures)};
  }
  std::vector<std::string> judge() const { return verdict(communicator_, kNow); }

  SeenCommunicator communicator_{.id = 1, .ranks = 5, .seen = {}};
};

TEST_F(FlightVerdict, names_the_rank_at_the_end_of_the_chain) {
  waits(0, 1, 2000);
  waits(1, 3, 4200);
  waits(2, 3, 20);
  add(3, 6, true);
  EXPECT_EQ(judge(), std::vector<std::string>{"rank 3 is late: it has not begun barrier #7 (idle "
                                              "since the end of barrier #6); 3 ranks wait for it, "
                                              "the longest for 4.2 s"});
}

TEST_F(FlightVerdict, says_what_keeps_it) {
  waits(0, 1, 30);
  SeenRank& late = add(1, 7);
  EXPECT_EQ(judge().front(), "rank 1 is late: it is in barrier #7; rank 0 waits for it, for 30 ms");
  late.process->state = 'T';
  late.flight.wait = communicator_.seen[0].flight.wait;  // a stopped rank's wait is an old one
  EXPECT_EQ(judge().front(),
            "rank 1 is late: it is stopped (SIGSTOP, or a debugger); it is in barrier #7; rank 0 "
            "waits for it, for 30 ms");
  late.process.reset();
  EXPECT_EQ(judge().front().find("rank 1 is late: its process 101 has ended; "), 0u);
  communicator_.seen.pop_back();
  EXPECT_EQ(judge().front(),
            "rank 1 is late: it is not seen on this host; rank 0 waits for it, for 30 ms");
}

TEST_F(FlightVerdict, finds_circles_and_who_waits_for_them) {
  waits(0, 2, 30);
  waits(1, 2, 40);
  waits(2, 4, 50);
  waits(3, 3, 60);
  waits(4, 1, 70);
  EXPECT_EQ(judge(), (std::vector<std::string>{
                         "ranks 1, 2, 4 wait for each other in a circle, the longest for 70 ms",
                         "rank 3 waits for itself, for 60 ms"}));
}

TEST_F(FlightVerdict, says_who_cannot_go_on_where_nobody_waits) {
  add(0, 7);
  EXPECT_TRUE(judge().empty());
  add(1, 7).process->state = 'T';
  add(2, 7).flight.state = RankFlight::State::kHasFailed;
  add(3, 7).process.reset();
  EXPECT_EQ(judge(), (std::vector<std::string>{"stopped (SIGSTOP, or a debugger): 1", "ended: 3",
                                               "failed: 2"}));
}

}  // namespace
}  // namespace sluice
