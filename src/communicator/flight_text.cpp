#include "communicator/flight_text.hpp"

#include <fmt/format.h>

#include <cstddef>

#include "communicator/operation.hpp"

namespace sluice {
namespace {

const char* lane_name(std::uint64_t lane) {
  switch (lane) {
    case kInputs: return "inputs";
    case kResults: return "results";
    case kConsumed: return "reading";
    default: return "lane";
  }
}

/// The value of a lane.
std::string progress(std::uint64_t value) {
  return fmt::format("#{}, step {}", value >> kStepBits, value & ((1u << kStepBits) - 1));
}

std::string awaited_lane(const WaitNote& wait, std::uint64_t lane) {
  if (lane == kStarted)  // raised by whoever begins the next
    return fmt::format("the end of #{} there (now in #{})", wait.expected - 1, wait.seen);
  return fmt::format("{} of {} (now {})", lane_name(lane), progress(wait.expected),
                     progress(wait.seen));
}

std::string awaited_word(const WaitNote& wait) {
  const SegmentLayout layout{wait.segment_ranks};
  const std::uint64_t at = wait.offset;
  for (std::uint64_t lane = 0; lane < kLaneCount; ++lane)
    if (at == offsetof(SegmentHeader, lanes) + lane * sizeof(Lane)) return awaited_lane(wait, lane);
  // What is there until then is of an operation some turns ago, which would say nothing.
  for (std::uint64_t half = 0; half < 2; ++half)
    if (at == offsetof(SegmentHeader, exposures) + half * sizeof(Exposure))
      return fmt::format("buffers of #{}", wait.expected);
  if (at >= layout.packets(0, 0) && at < layout.packets(layout.ranks + 1, 0))
    return fmt::format("packets of #{}", wait.expected >> kStepBits);
  if (at >= layout.credit(0) && at < layout.credit(layout.ranks))
    return fmt::format("fragment {} of the link to be taken (now {})", wait.expected, wait.seen);
  // How long the links are this does not know; behind them is the stage, where nobody waits.
  if (at >= layout.link_slot(0, 0)) return fmt::format("fragment {} of the link", wait.expected);
  return fmt::format("{} at byte {} of a segment (now {})", wait.expected, at, wait.seen);
}

}  // namespace

double seconds_of(const WaitNote& wait, std::uint64_t now_ns) {
  return now_ns > wait.since_ns ? static_cast<double>(now_ns - wait.since_ns) * 1e-9 : 0;
}

std::string duration_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.0f} ms", seconds * 1e3) : fmt::format("{:.1f} s", seconds);
}

std::string awaited(const WaitNote& wait, std::int32_t ranks) {
  if (wait.segment_ranks == 0)
    return fmt::format("signal {} of a channel (now {})", wait.expected, wait.seen);
  const std::string word = awaited_word(wait);
  // Among the ranks of one host, parts of an operation have numbers of their own.
  return wait.segment_ranks == static_cast<std::uint64_t>(ranks) ? word
                                                                 : "within the host, " + word;
}

std::string whereabouts(const RankFlight& flight) {
  const bool has_begun = flight.begun() != 0;
  const std::string last = has_begun ? describe(flight.operations.front()) : "";
  std::string text;
  switch (flight.state) {
    case RankFlight::State::kInOperation:
      text = "in " + last;
      if (flight.step != 0) text += fmt::format(", step {}", flight.step);
      break;
    case RankFlight::State::kMessages:
      text = has_begun ? "exchanging messages, after " + last : "exchanging messages";
      break;
    case RankFlight::State::kIdle:
      text = has_begun ? "idle since the end of " + last : "in no call yet";
      break;
    case RankFlight::State::kHasFailed:
      text = fmt::format("has failed{}{}: {}", has_begun ? ", its last call " : "", last,
                         flight.error.text.empty() ? "no reason noted" : flight.error.text);
      break;
    case RankFlight::State::kHasLeft:
      text = has_begun ? "has left, its last call " + last : "has left";
      break;
  }
  return text;
}

std::string wait_text(const RankFlight& flight, std::uint64_t now_ns) {
  if (!flight.wait) return {};
  return fmt::format("waits {} for rank {}: {}", duration_text(seconds_of(*flight.wait, now_ns)),
                     flight.wait->peer, awaited(*flight.wait, flight.ranks));
}

}  // namespace sluice
