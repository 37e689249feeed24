#include "communicator/flight_notes.hpp"

#include <algorithm>
#include <cstring>

namespace sluice {
namespace {

/// A writer that runs is done in nanoseconds; one that has been stopped is not waited for.
constexpr int kLooks = 100;

}  // namespace

OperationRecord read_record(const OperationRecord& entry) {
  return {.epoch = port::load_relaxed(&entry.epoch),
          .signature = port::load_relaxed(&entry.signature),
          .count = port::load_relaxed(&entry.count),
          .call = port::load_relaxed(&entry.call),
          .root = port::load_relaxed(&entry.root),
          .ended = port::load_relaxed(&entry.ended)};
}

void write_wait(WaitNote& note, const LongWait& wait, WordPlace place) {
  const std::uint64_t turn = port::load_relaxed(&note.turn);
  port::store_relaxed(&note.turn, turn + 1);
  // Released, so that whoever sees one of them also sees the odd turn; pairs with read_wait().
  port::store_release(&note.since_ns, wait.since_ns);
  port::store_release(&note.peer, static_cast<std::uint64_t>(wait.peer));
  port::store_release(&note.expected, wait.expected);
  port::store_release(&note.seen, wait.seen);
  port::store_release(&note.segment_ranks, place.segment_ranks);
  port::store_release(&note.offset, place.offset);
  port::store_release(&note.turn, turn + 2);
}

void clear_wait(WaitNote& note) { port::store_release(&note.since_ns, 0); }

WaitNote read_wait(const WaitNote& note) {
  WaitNote copy{};
  for (int look = 0; look < kLooks; ++look) {
    copy.turn = port::load_acquire(&note.turn);
    copy.since_ns = port::load_acquire(&note.since_ns);
    copy.peer = port::load_acquire(&note.peer);
    copy.expected = port::load_acquire(&note.expected);
    copy.seen = port::load_acquire(&note.seen);
    copy.segment_ranks = port::load_acquire(&note.segment_ranks);
    copy.offset = port::load_acquire(&note.offset);
    if (copy.turn % 2 == 0 && port::load_relaxed(&note.turn) == copy.turn) return copy;
  }
  copy.turn |= 1;  // the last look may have seen two waits
  return copy;
}

void write_error(ErrorNote& note, Errc code, std::string_view text) {
  for (std::uint64_t i = 0; i < ErrorNote::kTextWords; ++i) {
    std::uint64_t word = 0;
    const std::string_view part = text.substr(std::min(text.size(), i * sizeof word));
    std::memcpy(&word, part.data(), std::min(part.size(), sizeof word));
    port::store_relaxed(&note.text[i], word);
  }
  port::store_release(&note.code, static_cast<std::uint64_t>(code));  // pairs with read_error()
}

NotedError read_error(const ErrorNote& note) {
  const std::uint64_t code = port::load_acquire(&note.code);
  if (code == 0) return {};
  char text[sizeof note.text + 1] = {};
  for (std::uint64_t i = 0; i < ErrorNote::kTextWords; ++i) {
    const std::uint64_t word = port::load_relaxed(&note.text[i]);
    std::memcpy(text + i * sizeof word, &word, sizeof word);
  }
  // It is shown on terminals, and whoever may write the segment is not this process.
  for (char& character : text)
    if (character != 0 && static_cast<unsigned char>(character) < ' ') character = '?';
  return {static_cast<Errc>(code), text};
}

}  // namespace sluice
