#include "communicator/flight_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace sluice {
namespace {

/// More than any job has; keeps the size of a segment from overflowing.
constexpr std::uint64_t kMostRanks = 1 << 20;
/// How often a rank that runs operation after operation is looked at again.
constexpr int kLooks = 100;

/// The words that say whose segment it is, each read once: they may change under a reader's eyes.
struct Identity {
  std::uint64_t magic;
  std::uint64_t ranks;
  std::uint64_t rank;
};

Identity identity_of(const SegmentHeader& header) {
  // The magic number is released last when the segment is made.
  const std::uint64_t magic = port::load_acquire(&header.magic);
  return {magic, port::load_relaxed(&header.ranks), port::load_relaxed(&header.rank)};
}

/// What is wrong with it in a file of that size; empty if nothing is.
std::string fault(const Identity& identity, std::uint64_t file_bytes) {
  const auto& [magic, ranks, rank] = identity;
  if (magic == 0) return "is not set up yet";
  if (magic != kSegmentMagic)
    return fmt::format("begins with {:#x}, expected {:#x}: another version?", magic, kSegmentMagic);
  if (ranks == 0 || ranks > kMostRanks || rank >= ranks)
    return fmt::format("says that it is of rank {} of {}", rank, ranks);
  const SegmentLayout layout{ranks};
  if (file_bytes < layout.bytes())
    return fmt::format("has {} bytes, a segment of {} ranks {}", file_bytes, ranks, layout.bytes());
  return {};
}

/// The number of the latest operation of a rank that begins no more.
std::uint64_t last_epoch(const SegmentHeader& header) {
  std::uint64_t last = 0;
  for (const OperationRecord& record : header.records)
    last = std::max(last, port::load_relaxed(&record.epoch));
  return last;
}

/// The operations up to number `newest`, newest first. Numbers that an earlier operation took
/// besides its own are left out.
std::vector<OperationRecord> operations_until(const SegmentHeader& header, std::uint64_t newest) {
  std::vector<OperationRecord> operations;
  for (std::uint64_t back = 0; back < std::min(RankFlight::kHistory, newest); ++back) {
    const OperationRecord record = read_record(header.records[(newest - back) % kRecords]);
    if (record.epoch == newest - back) operations.push_back(record);
  }
  return operations;
}

std::uint64_t step_in(const SegmentHeader& header, std::uint64_t epoch) {
  std::uint64_t farthest = epoch << kStepBits;
  for (const LaneName lane : {kInputs, kResults, kConsumed})
    farthest = std::max(farthest, port::load_relaxed(&header.lanes[lane].value));
  return farthest - (epoch << kStepBits);
}

/// Operations, step and state as they were together at one moment.
void read_operations(const SegmentHeader& header, RankFlight& flight) {
  const std::uint64_t& started_word = header.lanes[kStarted].value;
  for (int look = 0; look < kLooks; ++look) {
    const std::uint64_t started = port::load_acquire(&started_word);
    const std::uint64_t newest = started >= kOut ? last_epoch(header) : started;
    flight.operations = operations_until(header, newest);
    flight.step = step_in(header, newest);
    const bool exchanging = port::load_relaxed(&header.lanes[kExchanging].value) % 2 != 0;
    flight.state = started == kLeft  ? RankFlight::State::kHasLeft
                   : started == kOut ? RankFlight::State::kHasFailed
                   : flight.begun() != 0 && flight.operations.front().ended != newest
                       ? RankFlight::State::kInOperation
                   : exchanging ? RankFlight::State::kMessages
                                : RankFlight::State::kIdle;
    // The records of the last 16 operations stay until 48 more have begun, so they are whole when
    // the rank has not begun another meanwhile; and so is the step.
    if (port::load_acquire(&started_word) == started) return;
  }
  flight.step = 0;  // it runs on as we read: of some operation or other
}

}  // namespace

std::variant<RankFlight, std::string> read_flight(const SegmentHeader& header,
                                                  std::uint64_t file_bytes) {
  const Identity identity = identity_of(header);
  if (std::string wrong = fault(identity, file_bytes); !wrong.empty()) return wrong;
  RankFlight flight;
  flight.communicator = port::load_relaxed(&header.communicator);
  flight.ranks = static_cast<std::int32_t>(identity.ranks);
  flight.rank = static_cast<std::int32_t>(identity.rank);
  flight.pid = static_cast<pid_t>(port::load_relaxed(&header.pid));
  read_operations(header, flight);
  const WaitNote wait = read_wait(header.wait);
  if (wait.since_ns != 0 && wait.peer < identity.ranks && wait.segment_ranks <= identity.ranks)
    flight.wait = wait;
  flight.error = read_error(header.error);
  // Where the error was another rank's, or came between two calls, nothing else says so.
  if (flight.error.code != Errc::kOk && flight.state != RankFlight::State::kHasLeft)
    flight.state = RankFlight::State::kHasFailed;
  return flight;
}

}  // namespace sluice
