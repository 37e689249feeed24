// What a message is made of: flags, packets and puts between two threads on two cores, and the
// library's own part of a call.
//
// Two-thread rows are round trips (there and back) of threads bound to the first two usable cores;
// on one core they measure the scheduler. Names: semaphore/round_trip,
// packets/round_trip/bytes:<b>, channel/put_signal/bytes:<b> (one way, the peer answers with a
// signal), wait/there_already, selection/choose, communicator/all_reduce/ranks:<n>.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "channel/memory_channel.hpp"
#include "channel/packet.hpp"
#include "channel/segment.hpp"
#include "plan/selection.hpp"
#include "sluice/communicator.hpp"

namespace {

using namespace sluice;

/// Binds the calling thread to the `index`-th core that it may use, for as long as the object
/// lives. Threads that it starts meanwhile inherit the one core: start them before.
class Bound {
 public:
  explicit Bound(int index) {
    if (pthread_getaffinity_np(pthread_self(), sizeof before_, &before_) != 0) return;
    int left = index % CPU_COUNT(&before_);
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (!CPU_ISSET(core, &before_) || left-- > 0) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(core, &one);
      bound_ = pthread_setaffinity_np(pthread_self(), sizeof one, &one) == 0;
      return;
    }
  }
  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;
  ~Bound() {
    if (bound_) pthread_setaffinity_np(pthread_self(), sizeof before_, &before_);
  }

 private:
  cpu_set_t before_{};
  bool bound_ = false;
};

/// Waits as the library's where every rank has a core: a spin of some ten microseconds, then
/// yields.
WaitState patient() {
  WaitState waits;
  waits.timeout_ns = 10'000'000'000;
  waits.spins = 4000;
  return waits;
}

/// One end's memory: a buffer, lines for packets, and the counters that the other end raises.
struct End {
  struct alignas(kPollSpacing) Counter {
    std::uint64_t value = 0;
  };
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  explicit End(std::uint64_t bytes)
      : buffer(static_cast<std::byte*>(
            std::aligned_alloc(4096, SegmentLayout::round_up(bytes, 4096)))) {
    std::memset(buffer.get(), 0, SegmentLayout::round_up(bytes, 4096));
  }

  std::unique_ptr<std::byte, Free> buffer;
  Counter inbound, expected;
  WaitState waits = patient();
};

/// The channels between two ends of `bytes`.
struct Pair {
  explicit Pair(std::uint64_t size) : bytes(size), ends{End(size), End(size)} {}
  MemoryChannel channel(int end) {
    End &own = ends[end], &other = ends[1 - end];
    return {.local = {own.buffer.get(), bytes},
            .remote = {other.buffer.get(), bytes},
            .semaphore = {.inbound = &own.inbound.value,
                          .outbound = &other.inbound.value,
                          .expected = &own.expected.value,
                          .peer = 1 - end},
            .waits = &own.waits};
  }
  std::uint64_t bytes;
  End ends[2];
};

/// Runs answer() on the second core until it returns false.
class Answerer {
 public:
  explicit Answerer(std::function<bool()> answer)
      : thread_([answer = std::move(answer)] {
          const Bound second(1);
          while (answer()) {
          }
        }) {}

 private:
  std::jthread thread_;
};

void semaphore_round_trip(benchmark::State& state) {
  Pair pair(64);
  const MemoryChannel mine = pair.channel(0), theirs = pair.channel(1);
  std::atomic<bool> last = false;
  const Answerer answerer([&] {
    const bool going = theirs.wait(HostThread{}) && !last.load(std::memory_order_relaxed);
    theirs.signal(HostThread{});
    return going;
  });
  const Bound first(0);
  const auto round_trip = [&] {
    mine.signal(HostThread{});
    return mine.wait(HostThread{});
  };
  for (auto _ : state)
    if (!round_trip()) return state.SkipWithError("the other thread did not answer");
  last = true;
  round_trip();
}
BENCHMARK(semaphore_round_trip)->Name("semaphore/round_trip")->UseRealTime();

void packets_round_trip(benchmark::State& state) {
  const auto bytes = static_cast<std::uint64_t>(state.range(0));
  const std::uint64_t packets_at = SegmentLayout::round_up(bytes, 64);
  Pair pair(packets_at + packet_lines(bytes) * sizeof(PacketLine));
  const MemoryChannel mine = pair.channel(0), theirs = pair.channel(1);
  std::atomic<std::uint64_t> last = ~0ull;
  std::uint64_t sent = 0, answered = 0;
  const Answerer answerer([&] {
    const std::uint64_t tag = ++answered;
    return theirs.receive_packets(HostThread{}, 0, packets_at, bytes, tag) &&
           theirs.put_packets(HostThread{}, packets_at, 0, bytes, tag) &&
           tag < last.load(std::memory_order_relaxed);
  });
  const Bound first(0);
  const auto round_trip = [&] {
    ++sent;
    return mine.put_packets(HostThread{}, packets_at, 0, bytes, sent) &&
           mine.receive_packets(HostThread{}, 0, packets_at, bytes, sent);
  };
  for (auto _ : state)
    if (!round_trip()) return state.SkipWithError("the other thread did not answer");
  last = sent + 1;
  round_trip();
}
BENCHMARK(packets_round_trip)
    ->Name("packets/round_trip")
    ->ArgName("bytes")
    ->Arg(8)
    ->Arg(56)
    ->Arg(512)
    ->Arg(4096)
    ->UseRealTime();

void channel_put_signal(benchmark::State& state) {
  const auto bytes = static_cast<std::uint64_t>(state.range(0));
  Pair pair(bytes);
  const MemoryChannel mine = pair.channel(0), theirs = pair.channel(1);
  std::atomic<bool> last = false;
  const Answerer answerer([&] {
    const bool going = theirs.wait(HostThread{}) && !last.load(std::memory_order_relaxed);
    theirs.signal(HostThread{});
    return going;
  });
  const Bound first(0);
  const auto round_trip = [&] {
    const bool put = mine.put(HostThread{}, 0, 0, bytes);
    mine.signal(HostThread{});
    return mine.wait(HostThread{}) && put;
  };
  for (auto _ : state)
    if (!round_trip()) return state.SkipWithError("the other thread did not answer");
  last = true;
  round_trip();
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}
BENCHMARK(channel_put_signal)
    ->Name("channel/put_signal")
    ->ArgName("bytes")
    ->RangeMultiplier(16)
    ->Range(64, 4 << 20)
    ->UseRealTime();

void wait_there_already(benchmark::State& state) {
  WaitState waits = patient();
  std::uint64_t word = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(wait_at_least(waits, &word, 1, 0));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(wait_there_already)->Name("wait/there_already");

void selection_choose(benchmark::State& state) {
  const auto made = Selection::make(CostModel{}, 8, Placement::kOneHost, "");
  if (!made.ok()) return state.SkipWithError("no selection");
  std::uint64_t bytes = 4;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        &made.value().choose(Collective::kAllReduce, bytes, BufferAccess::kNone));
    bytes = bytes * 5 % 67'108'859;
  }
}
BENCHMARK(selection_choose)->Name("selection/choose");

/// With one rank: what a call costs before anybody is waited for. With two: threads on two cores.
void communicator_all_reduce(benchmark::State& state) {
  const int ranks = static_cast<int>(state.range(0));
  const auto id = UniqueId::create();
  if (!id.ok()) return state.SkipWithError("no ticket");
  const auto reduce = [](Communicator& communicator,
                         float value) {  // 4 bytes; `value` is the sum's share
    float sum = 0;
    const Status status =
        communicator.all_reduce(&value, &sum, 1, DataType::kFloat32, ReduceOp::kSum);
    return status.ok() ? sum : -1.0f;
  };
  std::optional<std::jthread> other;
  if (ranks == 2)
    other.emplace([&] {
      const Bound second(1);
      auto joined = Communicator::create(id.value(), 1, ranks);
      while (joined.ok() && reduce(joined.value(), 0) > 0) {  // rank 0 ends it with a zero
      }
    });
  const Bound first(0);
  auto joined = Communicator::create(id.value(), 0, ranks);
  if (!joined.ok()) return state.SkipWithError("cannot join");
  for (auto _ : state)
    if (reduce(joined.value(), 1) != 1) return state.SkipWithError("a wrong sum");
  reduce(joined.value(), 0);
}
BENCHMARK(communicator_all_reduce)
    ->Name("communicator/all_reduce")
    ->ArgName("ranks")
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime();

}  // namespace
