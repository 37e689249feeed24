// What the flight recorder keeps in a segment's header, written by the owner while anybody reads:
// both halves side by side.
//
// A reader may be another process that has mapped the header read-only, and the owner may be
// stopped at any instruction. So nobody waits for anybody, and a reader copies word by word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "channel/segment.hpp"
#include "channel/wait.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// A copy of an entry that its owner may be writing.
OperationRecord read_record(const OperationRecord& entry);

/// Where a word is, as in WaitNote.
struct WordPlace {
  std::uint64_t segment_ranks = 0;
  std::uint64_t offset = 0;
};

/// Writes down a wait for the word at `place`. By the thread that waits, as is clear_wait().
void write_wait(WaitNote& note, const LongWait& wait, WordPlace place);
void clear_wait(WaitNote& note);

/// The note as it was at one moment. With an odd turn: of an owner who was stopped in the middle of
/// writing it, or who wrote at each look; then it may be of two waits.
WaitNote read_wait(const WaitNote& note);

/// Writes down the communicator's first error; once.
void write_error(ErrorNote& note, Errc code, std::string_view text);

struct NotedError {
  Errc code = Errc::kOk;  // kOk: none
  std::string text;
};
NotedError read_error(const ErrorNote& note);

}  // namespace sluice
