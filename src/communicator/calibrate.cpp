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
// A user's buffer: the copies go round in it, so that, as in earnest, its lines come from beyond
// the first caches.
constexpr std::uint64_t kBufferBytes = 4 * 1024 * 1024;
constexpr int kRounds =
    16;  // of each way of writing; the best counts, because everything else is disturbance
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
  /// The stage of rank 0, as slots in turn, as the schedules use it.
  std::byte* slot(int round) const {
    return segments_[0] + layout_.stage() + static_cast<std::uint64_t>(round) % 8 * kBytes;
  }

 private:
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

/// Rank 0 writes a slot, rank 1 reads it; the best time a byte of this rank's half.
double measure_copies(int rank, Pair& pair, std::byte* buffer, bool streaming) {
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kRounds; ++round) {
    std::byte* slot = pair.slot(round);
    std::byte* own = buffer + static_cast<std::uint64_t>(round) * kBytes % kBufferBytes;
    if (rank == 0)
      best = std::min(best, nanoseconds([&] {
                        if (streaming)
                          compute::copy_streaming(slot, own, kBytes);
                        else
                          compute::copy(slot, own, kBytes);
                      }));
    pair.meet();
    if (rank == 1) best = std::min(best, nanoseconds([&] { compute::copy(own, slot, kBytes); }));
    pair.meet();
  }
  return best / static_cast<double>(kBytes);
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
void measure_streaming(std::byte* buffer, LinkFigures& figures) {
  constexpr std::uint64_t kHalf = kBufferBytes / 2;
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
  const double line = measure_copies(rank, pair, own.data(), false);
  const double streamed = measure_copies(rank, pair, own.data(), true);
  waits.doorbell = doorbell;
  if (rank == 0) measure_streaming(own.data(), figures);
  (rank == 0 ? figures.write_line : figures.read_line) = line;
  (rank == 0 ? figures.write_streaming : figures.read_streamed) = streamed;
  return figures;
}

void measure_attach(const PrivateMemory& attach, std::uint64_t address, LinkFigures& figures) {
  constexpr std::uint64_t kShort = 4096;
  std::vector<std::byte> buffer(kBufferBytes, std::byte{1});
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

void apply(const LinkFigures& writer, const LinkFigures& reader, CostModel& model) {
  model.alpha = std::clamp(std::min(writer.alpha, reader.alpha), 20.0, 5000.0);
  model.packet_write = writer.write_line;
  model.packet_read = reader.read_line;
  model.stage_streaming =
      writer.write_streaming + reader.read_streamed < 0.9 * (writer.write_line + reader.read_line);
  model.stage_write = model.stage_streaming ? writer.write_streaming : writer.write_line;
  model.stage_read = model.stage_streaming ? reader.read_streamed : reader.read_line;
  model.cached_byte = std::min(writer.copy_cached, writer.copy_streaming);
  model.streaming_pays_early = writer.copy_streaming < 0.9 * writer.copy_cached;
  if (reader.attach_alpha > 0) {
    model.attach_alpha = reader.attach_alpha;
    model.attach_byte = reader.attach_byte;
  }
}

}  // namespace sluice
