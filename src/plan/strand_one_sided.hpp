// Puts into peers' memory, signals and waits for them, as blocks of a kernel do them. Nobody
// answers a put: the peer's kernels wait for the signal that comes behind it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/semaphore.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"
#include "plan/strand.hpp"
#include "plan/strand_exchange.hpp"

namespace sluice {

/// A signal's name between two ranks.
struct SignalName {
  std::uint32_t context = 0;
  std::uint32_t index = 0;
};

/// In place of OperationRecord::call: what a launch here was doing when it failed, in the lowest
/// byte, where no collective has these numbers; the rest is the signal's name.
inline constexpr std::uint64_t kPutRecord = 0xfd;
inline constexpr std::uint64_t kSignalWaitRecord = 0xfe;
SLUICE_FN constexpr std::uint64_t signal_wait_record(const SignalName& name) {
  return kSignalWaitRecord | std::uint64_t{name.context & 0xffffff} << 8 |
         std::uint64_t{name.index} << 32;
}
constexpr bool is_put(std::uint64_t record) { return (record & 0xff) == kPutRecord; }
constexpr bool is_signal_wait(std::uint64_t record) { return (record & 0xff) == kSignalWaitRecord; }
constexpr SignalName signal_of(std::uint64_t record) {
  return {static_cast<std::uint32_t>(record >> 8 & 0xffffff),
          static_cast<std::uint32_t>(record >> 32)};
}

/// A put and the signal behind it; of no bytes: the signal alone.
struct ListedPut {
  std::byte* to = nullptr;  // where this process reaches the peer's memory
  const std::byte* from = nullptr;
  std::uint64_t bytes = 0;
  std::uint64_t* signal = nullptr;  // the peer's counter of this rank's signals
};

/// `count` signals of a peer, besides those that earlier waits have taken.
struct ListedWait {
  std::uint64_t* given = nullptr;  // raised by the peer
  std::uint64_t* taken = nullptr;  // by this rank's waits; in memory that its kernels can write
  std::uint64_t count = 0;
  std::int32_t peer = 0;
  SignalName name{};
};

/// What a launch does: the same at every replay of a graph. The puts come first.
struct OneSidedLaunch {
  static constexpr std::uint32_t kMost = 32;

  std::uint32_t blocks = 0;  // 0: launched only to be loaded
  std::uint32_t puts = 0;    // so many are listed
  std::uint32_t waits = 0;   // likewise; with one block
  bool copies = false;       // the puts' data, each block a part
  bool signals = false;      // behind that; with one block
  ListedPut put[kMost]{};
  ListedWait wait[kMost]{};
};

/// Notes it as a failure if the rank's communicator has ended; by one thread. A put waits for
/// nobody, so nothing else would keep it from the memory of a peer that has heard of that.
SLUICE_FN void look_for_abort(WaitState& waits, std::int32_t rank) {
  const bool aborted =
      port::load_relaxed(&waits.abort_word) != 0 ||
      (waits.host_abort_word != nullptr && port::load_relaxed(waits.host_abort_word) != 0);
  if (aborted) record_failure(waits, WaitOutcome::kAborted, rank, 0, 0);
}

/// Takes the signals of all listed waits, in order; by one thread. Returns the record of the first
/// that failed, else 0.
SLUICE_FN std::uint64_t take_signals(WaitState& waits, const OneSidedLaunch& launch) {
  for (std::uint32_t i = 0; i < launch.waits; ++i) {
    const ListedWait& wanted = launch.wait[i];
    Semaphore semaphore;
    semaphore.inbound = wanted.given;
    semaphore.expected = wanted.taken;
    semaphore.peer = wanted.peer;
    if (!semaphore.wait(waits, wanted.count)) return signal_wait_record(wanted.name);
  }
  return 0;
}

/// What block `block` of a launch does; by all threads of `group`. A strand that has failed does
/// nothing any more.
template <ThreadGroup Group>
SLUICE_FN void run_one_sided(const Group& group, Strand* strands, std::uint32_t block,
                             const OneSidedLaunch& launch) {
  if (block >= launch.blocks) return;
  Strand& strand = strands[block];
  const Fabric& fabric = strand.fabric;
  const bool leads = group.rank() == 0 && !fabric.failed();
  if (leads && launch.puts != 0) look_for_abort(fabric.waits(), fabric.rank());
  std::uint64_t record = launch.puts != 0 ? kPutRecord : kSignalWaitRecord;
  if (!fabric.failed(group)) {
    if (launch.copies) {
      for (std::uint32_t i = 0; i < launch.puts; ++i) {
        const ListedPut& put = launch.put[i];
        const Range part = part_of_message(put.bytes, block, launch.blocks);
        copy(group, put.to + part.offset, put.from + part.offset, part.bytes);
      }
      group.sync();  // what all threads have written goes before the signals
    }
    if (group.rank() == 0) {
      if (launch.signals)
        for (std::uint32_t i = 0; i < launch.puts; ++i)
          port::add_release(launch.put[i].signal, 1);  // pairs with Semaphore::wait()
      if (const std::uint64_t failed = take_signals(fabric.waits(), launch); failed != 0)
        record = failed;
    }
  }
  if (leads && fabric.failed()) give_up(strand, false, record);
}

}  // namespace sluice
