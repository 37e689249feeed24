#include "communicator/calibrate.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "base/median.hpp"
#include "compute/reduce.hpp"
#include "topology/host.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kBytes = 64 * 1024;
// About the longest message that goes as packets; in longer ones a byte costs something else.
constexpr std::uint64_t kShortBytes = 4 * 1024;
// A user's buffer: the copies go round in it. Small enough that what is measured is the links.
constexpr std::uint64_t kBufferBytes = 4 * kBytes;
// A buffer that only the last-level cache holds.
constexpr std::uint64_t kLargeBufferBytes = 4 * 1024 * 1024;
// Slots in turn: the whole stage, as the staged schedules go through it; and so few that a line is
// written again while its reader still has it, as in links and packets.
constexpr int kLongRing = kStageBytes / kBytes;
constexpr int kShortRing = 2;
// Rounds that count, by their median: some lines are luckier than others. Those before them, once
// round the ring, touch the memory.
constexpr int kRounds = 32;
constexpr int kPings = 16;
constexpr int kPingRounds = 32;
// A figure takes a millisecond or two when both ranks run, and this at the most, or eight rounds,
// when they must wait for their cores: on a busy machine it is not worth more.
constexpr std::chrono::milliseconds kPatience{10};
constexpr int kRoundsPerLook = 8;

using Clock = std::chrono::steady_clock;

template <class Work>
double nanoseconds(Work work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

/// The two measuring ranks in step with each other.
class Pair {
 public:
  Pair(int side, const MeasuringPair& pair, const SegmentLayout& layout, WaitState& waits)
      : side_(side), pair_(pair), layout_(layout), waits_(waits) {}

  /// Waits for the other one.
  void meet() {
    ++step_;
    port::store_release(word(side_), step_);
    wait_at_least(waits_, word(1 - side_), step_, pair_.ranks[1 - side_]);
  }
  /// Gives the other one a number and returns its.
  std::uint64_t tell(std::uint64_t number) {
    port::store_relaxed(reinterpret_cast<std::uint64_t*>(own_slot(0)), number);
    meet();
    const std::uint64_t theirs = port::load_relaxed(reinterpret_cast<std::uint64_t*>(peer_slot(0)));
    meet();  // from here the slot may be written again
    return theirs;
  }
  /// Whether the first rank finds that there is time left for what began at `start`.
  bool time_left(Clock::time_point start) {
    const std::uint64_t mine = Clock::now() - start < kPatience ? 1 : 0;
    const std::uint64_t theirs = tell(mine);
    return (side_ == 0 ? mine : theirs) != 0;
  }
  /// In the stages, which are free before the first operation.
  std::byte* own_slot(int slot) const { return slot_of(side_, slot); }
  std::byte* peer_slot(int slot) const { return slot_of(1 - side_, slot); }

 private:
  std::byte* slot_of(int side, int slot) const {
    return pair_.segments[side].base + layout_.stage() + static_cast<std::uint64_t>(slot) * kBytes;
  }
  // A lane that the schedules only ever raise above what is left here: epochs are shifted, steps
  // are few.
  std::uint64_t* word(int side) const {
    return &reinterpret_cast<SegmentHeader*>(pair_.segments[side].base)->lanes[kConsumed].value;
  }
  int side_;
  MeasuringPair pair_;
  SegmentLayout layout_;
  WaitState& waits_;
  std::uint64_t step_ = 0;
};

/// Of the later values: the first ones, at most half, were there to touch the memory.
double median_after(std::size_t first, std::vector<double>& values) {
  const std::size_t skipped = std::min(first, values.size() / 2);
  values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(skipped));
  return median_of(values);
}

/// Both write `bytes` of a slot of their own, then read the other's, as a schedule does.
CopyTimes measure_copies(Pair& pair, std::byte* buffer, int slots, std::uint64_t bytes,
                         bool streaming) {
  std::vector<double> writes, reads;
  const auto start = Clock::now();
  for (int round = 0; round < slots + kRounds; ++round) {
    if (round > 0 && round % kRoundsPerLook == 0 && !pair.time_left(start)) break;
    const int slot = round % slots;
    std::byte* own = buffer + static_cast<std::uint64_t>(round) * kBytes % kBufferBytes;
    writes.push_back(nanoseconds([&] {
      if (streaming)
        compute::copy_streaming(pair.own_slot(slot), own, bytes);
      else
        compute::copy(pair.own_slot(slot), own, bytes);
    }));
    pair.meet();
    reads.push_back(nanoseconds([&] { compute::copy(own, pair.peer_slot(slot), bytes); }));
    pair.meet();
  }
  const auto first = static_cast<std::size_t>(slots);
  return {median_after(first, writes) / static_cast<double>(bytes),
          median_after(first, reads) / static_cast<double>(bytes)};
}

double measure_alpha(Pair& pair) {
  double best = std::numeric_limits<double>::infinity();
  const auto start = Clock::now();
  for (int round = 0; round < kPingRounds && (round == 0 || pair.time_left(start)); ++round)
    best = std::min(best, nanoseconds([&] {
                      for (int i = 0; i < kPings; ++i) pair.meet();
                    }));
  return best / kPings;
}

/// Each reads the other's ordinary memory by cross-memory attach, at the same time.
void measure_attach(Pair& pair, const PrivateMemory& attach, int peer, LinkFigures& figures) {
  std::vector<std::byte> theirs_to_read(kBytes, std::byte{1}), mine(8 * kBytes, std::byte{1});
  const std::uint64_t address = pair.tell(reinterpret_cast<std::uint64_t>(theirs_to_read.data()));
  std::vector<double> short_times, long_times;
  const auto read = [&](std::uint64_t round, std::uint64_t bytes) {
    return nanoseconds([&] {
      attach.read(attach.context, peer, mine.data() + round % 8 * kBytes, address, bytes);
    });
  };
  for (std::uint64_t round = 0; round < 16; ++round) {
    short_times.push_back(read(round, kShortBytes));
    long_times.push_back(read(round, kBytes));
  }
  pair.meet();  // from here the peer does not read our memory any more
  const double short_ns = median_of(short_times), long_ns = median_of(long_times);
  figures.attach_byte =
      std::max(0.0, long_ns - short_ns) / static_cast<double>(kBytes - kShortBytes);
  figures.attach_alpha =
      std::max(0.0, short_ns - figures.attach_byte * static_cast<double>(kShortBytes));
}

/// One rank alone: is it quicker to write a middling buffer past the caches?
void measure_own_copies(LinkFigures& figures) {
  constexpr std::uint64_t kHalf = kLargeBufferBytes / 2;
  std::vector<std::byte> both(kLargeBufferBytes, std::byte{1});
  std::byte* const buffer = both.data();
  double cached = std::numeric_limits<double>::infinity(), streaming = cached;
  for (int round = 0; round < 3; ++round) {
    cached = std::min(cached, nanoseconds([&] { compute::copy(buffer, buffer + kHalf, kHalf); }));
    streaming = std::min(
        streaming, nanoseconds([&] { compute::copy_streaming(buffer, buffer + kHalf, kHalf); }));
  }
  figures.copy_cached = cached / static_cast<double>(kHalf);
  figures.copy_streaming = streaming / static_cast<double>(kHalf);
}

}  // namespace

LinkFigures measure_links(int side, const MeasuringPair& ranks, const SegmentLayout& layout,
                          WaitState& waits, const PrivateMemory& attach) {
  LinkFigures figures;
  // Where ranks outnumber cores, these two may share one: they would measure switches between them
  // and a cache that they share.
  const topology::CoreBinding apart(static_cast<std::size_t>(side));
  std::vector<std::byte> own(kBufferBytes, std::byte{1});
  // These meetings ring nobody, so nobody may sleep in them.
  const auto doorbell = std::exchange(waits.doorbell, nullptr);
  Pair pair(side, ranks, layout, waits);
  pair.meet();
  figures.alpha = measure_alpha(pair);
  figures.hot_lines = measure_copies(pair, own.data(), kShortRing, kShortBytes, false);
  figures.stage = measure_copies(pair, own.data(), kLongRing, kBytes, false);
  figures.stage_streaming = measure_copies(pair, own.data(), kLongRing, kBytes, true);
  if (attach.read != nullptr) measure_attach(pair, attach, ranks.ranks[1 - side], figures);
  waits.doorbell = doorbell;
  if (side == 0) measure_own_copies(figures);
  return figures;
}

void apply(const LinkFigures& one, const LinkFigures& other, CostModel& model) {
  const auto mean = [&](CopyTimes LinkFigures::*way) {
    return CopyTimes{((one.*way).write + (other.*way).write) / 2,
                     ((one.*way).read + (other.*way).read) / 2};
  };
  model.alpha = std::clamp(std::min(one.alpha, other.alpha), 20.0, 5000.0);
  const CopyTimes hot = mean(&LinkFigures::hot_lines);
  model.packet_write = hot.write;
  model.packet_read = hot.read;
  const CopyTimes cached = mean(&LinkFigures::stage);
  const CopyTimes streaming = mean(&LinkFigures::stage_streaming);
  model.stage_streaming = streaming.write + streaming.read < 0.9 * (cached.write + cached.read);
  const CopyTimes& stage = model.stage_streaming ? streaming : cached;
  model.stage_write = stage.write;
  model.stage_read = stage.read;
  model.cached_byte = std::min(one.copy_cached, one.copy_streaming);
  model.streaming_pays_early = one.copy_streaming < 0.9 * one.copy_cached;
  if (one.attach_alpha > 0 && other.attach_alpha > 0) {
    model.attach_alpha = std::max(one.attach_alpha, other.attach_alpha);
    model.attach_byte = std::max(one.attach_byte, other.attach_byte);
  }
}

}  // namespace sluice
