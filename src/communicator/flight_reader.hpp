// What one rank's segment says to somebody who is no rank: where the rank is and whom it waits for.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "channel/segment.hpp"
#include "communicator/flight_notes.hpp"

namespace sluice {

/// One rank at one moment.
struct RankFlight {
  enum class State : std::uint8_t {
    kIdle,         // in no call
    kInOperation,  // in operations.front()
    kMessages,     // in send, receive or exchange
    kHasFailed,    // it has met an error and touches no peer's memory any more
    kHasLeft,      // it has left the communicator
  };

  std::uint64_t communicator = 0;
  std::int32_t ranks = 0;
  std::int32_t rank = 0;
  pid_t pid = 0;  // as the rank sees itself: another number where it is in a PID namespace
  State state = State::kIdle;
  std::vector<OperationRecord> operations;  // the latest, newest first; kHistory at most
  std::uint64_t step = 0;                   // the farthest that it came in operations.front()
  std::optional<WaitNote> wait;             // a millisecond or more; peer < ranks
  NotedError error;

  static constexpr std::uint64_t kHistory = 16;

  /// The number of the latest operation; 0: none yet.
  std::uint64_t begun() const { return operations.empty() ? 0 : operations.front().epoch; }
};

/// Reads the header of a segment in a file of `file_bytes`, the header's size at least, which its
/// owner may be changing. Believes nothing: says what is wrong where no segment begins so.
std::variant<RankFlight, std::string> read_flight(const SegmentHeader& header,
                                                  std::uint64_t file_bytes);

}  // namespace sluice
