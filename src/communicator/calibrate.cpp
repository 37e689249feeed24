#include "communicator/calibrate.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "compute/reduce.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kBytes = 64 * 1024;
// A user's buffer: the copies go round in it. Small enough that what is measured is the links.
constexpr std::uint64_t kBufferBytes = 4 * kBytes;
// A buffer that only the last-level cache holds.
constexpr std::uint64_t kLargeBufferBytes = 4 * 1024 * 1024;
// Of each way of writing: twice round the stage. The first time touches the memory, the second
// counts, by its median: some lines are luckier than others.
constexpr int kSlots = kStageBytes / kBytes;
constexpr int kRounds = 2 * kSlots;
constexpr int kPings = 64;

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
  Pair(int rank, const Window (&segments)[2], const SegmentLayout& layout, WaitState& waits)
      : rank_(rank), layout_(layout), waits_(waits) {
    for (int r : {0, 1}) segments_[r] = segments[r].base;
  }

  /// Waits for the other one.
  void meet() {
    ++step_;
    port::store_release(word(rank_), step_);
    wait_at_least(waits_, word(1 - rank_), step_, 1 - rank_);
  }
  /// The stages, slot by slot, as the schedules use them.
  std::byte* own_slot(int round) const { return slot(rank_, round); }
  std::byte* peer_slot(int round) const { return slot(1 - rank_, round); }

 private:
  std::byte* slot(int rank, int round) const {
    return segments_[rank] + layout_.stage() + static_cast<std::uint64_t>(round % kSlots) * kBytes;
  }
  // A lane that the schedules only ever raise above what is left here: epochs are shifted, steps
  // are few.
  std::uint64_t* word(int rank) const {
    return &reinterpret_cast<SegmentHeader*>(segments_[rank])->lanes[kConsumed].value;
  }
  int rank_;
  std::byte* segments_[2];
  SegmentLayout layout_;
  WaitState& waits_;
  std::uint64_t step_ = 0;
};

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct CopyTimes {
  double write;
  double read;
};

/// Both write a slot of their own, then read the other's, as a schedule does: times a byte.
CopyTimes measure_copies(Pair& pair, std::byte* buffer, bool streaming) {
  std::vector<double> writes, reads;
  for (int round = 0; round < kRounds; ++round) {
    std::byte* own = buffer + static_cast<std::uint64_t>(round) * kBytes % kBufferBytes;
    const double write = nanoseconds([&] {
      if (streaming)
        compute::copy_streaming(pair.own_slot(round), own, kBytes);
      else
        compute::copy(pair.own_slot(round), own, kBytes);
    });
    pair.meet();
    const double read = nanoseconds([&] { compute::copy(own, pair.peer_slot(round), kBytes); });
    pair.meet();
    if (round < kSlots) continue;
    writes.push_back(write);
    reads.push_back(read);
  }
  return {median(writes) / static_cast<double>(kBytes),
          median(reads) / static_cast<double>(kBytes)};
}

double measure_alpha(Pair& pair) {
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < 8; ++round)
    best = std::min(best, nanoseconds([&] {
                      for (int i = 0; i < kPings; ++i) pair.meet();
                    }));
  return best / kPings;
}

/// One rank alone: is it quicker to write a middling buffer past the caches?
void measure_streaming(LinkFigures& figures) {
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

LinkFigures measure_links(int rank, const Window (&segments)[2], const SegmentLayout& layout,
                          WaitState& waits) {
  LinkFigures figures;
  if (rank > 1) return figures;
  std::vector<std::byte> own(kBufferBytes, std::byte{1});
  // These meetings ring nobody, so nobody may sleep in them.
  const auto doorbell = std::exchange(waits.doorbell, nullptr);
  Pair pair(rank, segments, layout, waits);
  pair.meet();
  figures.alpha = measure_alpha(pair);
  const CopyTimes cached = measure_copies(pair, own.data(), false);
  const CopyTimes streamed = measure_copies(pair, own.data(), true);
  waits.doorbell = doorbell;
  figures.write_line = cached.write;
  figures.read_line = cached.read;
  figures.write_streaming = streamed.write;
  figures.read_streamed = streamed.read;
  if (rank == 0) measure_streaming(figures);
  return figures;
}

void measure_attach(const PrivateMemory& attach, std::uint64_t address, LinkFigures& figures) {
  constexpr std::uint64_t kShort = 4096;
  std::vector<std::byte> buffer(8 * kBytes, std::byte{1});
  double short_ns = std::numeric_limits<double>::infinity(), long_ns = short_ns;
  for (std::uint64_t round = 0; round < 8; ++round) {
    std::byte* own = buffer.data() + round * kBytes;
    short_ns = std::min(short_ns,
                        nanoseconds([&] { attach.read(attach.context, 0, own, address, kShort); }));
    long_ns = std::min(long_ns,
                       nanoseconds([&] { attach.read(attach.context, 0, own, address, kBytes); }));
  }
  figures.attach_byte = std::max(0.0, long_ns - short_ns) / static_cast<double>(kBytes - kShort);
  figures.attach_alpha =
      std::max(0.0, short_ns - figures.attach_byte * static_cast<double>(kShort));
}

void apply(const LinkFigures& one, const LinkFigures& other, CostModel& model) {
  const auto mean = [&](double LinkFigures::*figure) { return (one.*figure + other.*figure) / 2; };
  model.alpha = std::clamp(std::min(one.alpha, other.alpha), 20.0, 5000.0);
  model.packet_write = mean(&LinkFigures::write_line);
  model.packet_read = mean(&LinkFigures::read_line);
  const double streaming_write = mean(&LinkFigures::write_streaming);
  const double streaming_read = mean(&LinkFigures::read_streamed);
  model.stage_streaming =
      streaming_write + streaming_read < 0.9 * (model.packet_write + model.packet_read);
  model.stage_write = model.stage_streaming ? streaming_write : model.packet_write;
  model.stage_read = model.stage_streaming ? streaming_read : model.packet_read;
  model.cached_byte = std::min(one.copy_cached, one.copy_streaming);
  model.streaming_pays_early = one.copy_streaming < 0.9 * one.copy_cached;
  if (other.attach_alpha > 0) {
    model.attach_alpha = other.attach_alpha;
    model.attach_byte = other.attach_byte;
  }
}

}  // namespace sluice
