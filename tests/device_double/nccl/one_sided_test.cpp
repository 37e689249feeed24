// Puts into windows of GPUs' memory, signals and waits for signals on streams.
#include <atomic>
#include <barrier>
#include <numeric>

#include "device_double/nccl/windows.hpp"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

std::vector<int> counted(std::size_t count, int first) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), first);
  return values;
}

// 50,000 ints take several blocks, 10 take one.
TEST(NcclOneSidedOnDevice, PutsArriveBeforeTheirSignals) {
  on_ranks(3, [](int rank, ncclComm_t comm) {
    const int next = (rank + 1) % 3, previous = (rank + 2) % 3;
    WindowOf window(comm, 60'000);
    DeviceStream stream;
    DeviceArray<int> source(50'000), seen(50'000);
    for (const std::size_t count : {std::size_t{50'000}, std::size_t{10}, std::size_t{0}}) {
      const auto values = counted(count, rank * 1'000'000 + static_cast<int>(count));
      std::copy(values.begin(), values.end(), source.data());
      EXPECT_NCCL(
          ncclPutSignal(source.data(), count, ncclInt, next, window, 28, 0, 0, 0, comm, stream));
      EXPECT_NCCL(wait_for(1, previous, comm, stream));
      // On the stream, behind the wait.
      ASSERT_TRUE(device::copy_on(stream.get(), seen.data(), window.memory().data() + 7,
                                  count * sizeof(int))
                      .ok());
      meet(comm, stream);
      const auto expected = counted(count, previous * 1'000'000 + static_cast<int>(count));
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), seen.data())) << count;
      EXPECT_EQ(window.memory()[6], -1);
    }
  });
}

TEST(NcclOneSidedOnDevice, AnyAlignmentAndToOneself) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    WindowOf window(comm, 30'000);
    DeviceStream stream;
    DeviceArray<std::uint8_t> source(80'003);
    for (std::size_t i = 0; i < source.size(); ++i)
      source[i] = static_cast<std::uint8_t>(i * 7 + static_cast<std::size_t>(rank));
    EXPECT_NCCL(ncclPutSignal(source.data() + 1, 80'001, ncclUint8, rank, window, 3, 0, 0, 0, comm,
                              stream));
    EXPECT_NCCL(wait_for(1, rank, comm, stream));
    stream.wait();
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(window.memory().data());
    EXPECT_TRUE(std::equal(bytes + 3, bytes + 3 + 80'001, source.data() + 1));
    EXPECT_EQ(bytes[2], 0xff);
    EXPECT_EQ(bytes[3 + 80'001], 0xff);
    // What lies in its place already is not moved; what overlaps its place is refused.
    EXPECT_NCCL(ncclPutSignal(bytes + 3, 100, ncclUint8, rank, window, 3, 0, 0, 0, comm, nullptr));
    EXPECT_EQ(ncclPutSignal(bytes + 3, 100, ncclUint8, rank, window, 4, 0, 0, 0, comm, stream),
              ncclInvalidArgument);
    EXPECT_TRUE(says("overlaps its place in the window", comm));
    EXPECT_NCCL(wait_for(1, rank, comm, nullptr));
    meet(comm, stream);
  });
}

TEST(NcclOneSidedOnDevice, SignalsAreCountedByContextAndIndex) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.numRmaCtx = 2;
  config.numRmaSig = 3;
  on_ranks(
      2,
      [](int rank, ncclComm_t comm) {
        const int peer = 1 - rank;
        DeviceStream stream;
        EXPECT_EQ(ncclSignal(peer, 0, 0, 0, comm, stream), ncclInvalidUsage);
        EXPECT_TRUE(says("signals need a window first", comm));
        WindowOf window(comm, 16);
        for (int i = 0; i < 50; ++i) {
          EXPECT_NCCL(ncclSignal(peer, 2, 1, 0, comm, stream));
          if (i % 10 == 0) {
            EXPECT_NCCL(ncclSignal(peer, 0, 1, 0, comm, stream));
          }
        }
        ncclWaitSignalDesc_t all[] = {{20, peer, 2, 1}, {5, peer, 0, 1}, {30, peer, 2, 1}};
        EXPECT_NCCL(ncclWaitSignal(3, all, comm, stream));
        EXPECT_NCCL(ncclWaitSignal(0, nullptr, comm, stream));
        EXPECT_NCCL(wait_for(0, peer, comm, stream));  // of none
        meet(comm, stream);
        EXPECT_EQ(ncclSignal(peer, 3, 0, 0, comm, stream), ncclInvalidArgument);
        EXPECT_EQ(ncclSignal(peer, 0, 2, 0, comm, stream), ncclInvalidArgument);
        EXPECT_EQ(ncclSignal(2, 0, 0, 0, comm, stream), ncclInvalidArgument);
        EXPECT_EQ(ncclSignal(peer, 0, 0, 1, comm, stream), ncclInvalidArgument);
        ncclResult_t error = ncclInternalError;
        EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
        EXPECT_NCCL(error);
      },
      &config);
}

TEST(NcclOneSidedOnDevice, GraphsAreLaunchedAgain) {
  constexpr std::size_t kCount = 10'000;
  on_ranks(2, [](int rank, ncclComm_t comm) {
    const int peer = 1 - rank;
    WindowOf window(comm, kCount);
    DeviceStream stream;
    DeviceArray<int> source(kCount), seen(kCount);
    ASSERT_TRUE(device::Graph::begin(stream.get()).ok());
    EXPECT_NCCL(
        ncclPutSignal(source.data(), kCount, ncclInt, peer, window, 0, 0, 0, 0, comm, stream));
    EXPECT_NCCL(wait_for(1, peer, comm, stream));
    ASSERT_TRUE(
        device::copy_on(stream.get(), seen.data(), window.memory().data(), kCount * 4).ok());
    EXPECT_NCCL(ncclSignal(peer, 0, 0, 0, comm, stream));  // it has been read
    EXPECT_NCCL(wait_for(1, peer, comm, stream));
    const auto graph = device::Graph::end(stream.get());
    ASSERT_TRUE(graph.ok());
    for (int i = 0; i < 5; ++i) {
      source.fill(10 * i + rank);
      ASSERT_TRUE(graph.value().launch(stream.get()).ok());
      stream.wait();
      ASSERT_EQ(seen.values(), std::vector<int>(kCount, 10 * i + peer));
    }
    meet(comm, stream);
  });
}

TEST(NcclOneSidedOnDevice, OfAGroupRunBeforeAndBehindTheRest) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    const int peer = 1 - rank;
    WindowOf window(comm, 1000);
    DeviceStream one, other;
    DeviceArray<int> source(100), sum(100), in(100);
    source.fill(rank + 1);
    sum.fill(rank);
    in.fill(-1);
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(wait_for(41, peer, comm, one));
    EXPECT_NCCL(ncclRecv(in.data(), 100, ncclInt, peer, comm, one));
    EXPECT_NCCL(ncclAllReduce(sum.data(), sum.data(), 100, ncclInt, ncclSum, comm, one));
    EXPECT_NCCL(ncclSend(sum.data(), 100, ncclInt, peer, comm, one));
    for (std::size_t i = 0; i < 40; ++i)  // more than one launch carries, and on two streams
      EXPECT_NCCL(ncclPutSignal(source.data(), 10 + i % 2, ncclInt, peer, window,
                                20 * i * sizeof(int), 0, 0, 0, comm, i % 2 == 0 ? one : other));
    EXPECT_NCCL(ncclSignal(peer, 0, 0, 0, comm, one));
    EXPECT_NCCL(ncclGroupEnd());
    one.wait();
    other.wait();
    EXPECT_EQ(in.values(), std::vector<int>(100, 1));
    for (std::size_t i = 0; i < 1000; ++i)
      EXPECT_EQ(window.memory()[i], i < 800 && i % 20 < 10 + i / 20 % 2 ? peer + 1 : -1) << i;
    meet(comm, one);
  });
}

TEST(NcclOneSidedOnDevice, OneThreadDrivesAllRanksOnOneStream) {
  const AllHere ranks(3);
  ncclWindow_t windows[3] = {};
  DeviceArray<int> memory(3), source(3);
  DeviceStream stream;
  EXPECT_NCCL(ncclGroupStart());
  for (int rank = 0; rank < 3; ++rank) {
    source[static_cast<std::size_t>(rank)] = rank;
    EXPECT_NCCL(ncclCommWindowRegister(ranks[rank], memory.data() + rank, sizeof(int),
                                       &windows[rank], NCCL_WIN_DEFAULT));
  }
  EXPECT_NCCL(ncclGroupEnd());
  for (const cudaStream_t on : {static_cast<cudaStream_t>(stream), cudaStream_t{}}) {
    memory.fill(-1);
    EXPECT_NCCL(ncclGroupStart());
    for (int rank = 0; rank < 3; ++rank) {
      EXPECT_NCCL(wait_for(1, (rank + 2) % 3, ranks[rank], on));
      EXPECT_NCCL(ncclPutSignal(source.data() + rank, 1, ncclInt, (rank + 1) % 3, windows[rank], 0,
                                0, 0, 0, ranks[rank], on));
    }
    EXPECT_NCCL(ncclGroupEnd());
    DeviceArray<int> seen(3);
    ASSERT_TRUE(device::copy_on({on}, seen.data(), memory.data(), 3 * sizeof(int)).ok());
    const auto done = device::Event::create();
    ASSERT_TRUE(done.ok() && done.value().record({on}).ok() && done.value().wait().ok());
    EXPECT_EQ(seen.values(), (std::vector<int>{2, 0, 1}));
  }
}

/// Rank 0 waits for two signals of rank 1, who gives one.
void wait_in_vain(int rank, ncclComm_t comm, ncclWindow_t window, DeviceArray<int>& memory) {
  static std::atomic<int> stage = 0;
  const DeviceStream stream;
  if (rank == 1) {
    EXPECT_NCCL(ncclSignal(0, 0, 0, 0, comm, stream));
    stream.wait();
    stage = 1;
    while (stage != 2) std::this_thread::sleep_for(milliseconds(1));
    return;
  }
  while (stage != 1) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_NCCL(wait_for(2, 1, comm, stream));
  // What is behind it does nothing any more.
  DeviceArray<int> source(4);
  EXPECT_NCCL(ncclPutSignal(source.data(), 4, ncclInt, 0, window, 0, 0, 0, 0, comm, stream));
  stream.wait();
  ncclResult_t error = ncclSuccess;
  EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
  EXPECT_EQ(error, ncclTimeout);
  EXPECT_TRUE(
      says("a wait for signals (context 0, index 0): waited for rank 1: expected 2 of its "
           "signals in all, found 1",
           comm))
      << ncclGetLastError(comm);
  EXPECT_EQ(ncclSignal(1, 0, 0, 0, comm, stream), ncclTimeout);
  EXPECT_EQ(memory[0], -1);
  stage = 2;
}

TEST(NcclOneSidedOnDevice, ASignalThatDoesNotComeIsAnErrorThatNamesThePeer) {
  // Short, so that the test is; on a busy machine that may be too short to get as far as the wait.
  const Variable timeout("SLUICE_TIMEOUT_MS", "500");
  std::atomic<int> ready = 0;
  for (int attempt = 0; attempt < 20 && ready != 2; ++attempt) {
    const ncclUniqueId id = new_id();
    std::barrier<> both(2);
    ready = 0;
    on_threads(2, [&](int rank) {
      DeviceArray<int> memory(4);
      memory.fill(-1);
      ncclComm_t comm = nullptr;
      ncclWindow_t window = nullptr;
      if (ncclCommInitRank(&comm, 2, id, rank) == ncclSuccess &&
          ncclCommWindowRegister(comm, memory.data(), 16, &window, NCCL_WIN_DEFAULT) == ncclSuccess)
        ++ready;
      both.arrive_and_wait();
      if (ready == 2) wait_in_vain(rank, comm, window, memory);
      both.arrive_and_wait();
      EXPECT_NCCL(ncclCommAbort(comm));  // there may be none
    });
  }
  EXPECT_EQ(ready, 2) << ncclGetLastError(nullptr);
}

TEST(NcclOneSidedOnDevice, AbortReleasesAWaitAndKeepsPutsBack) {
  const ncclUniqueId id = new_id();
  std::atomic<bool> over = false;
  on_threads(2, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 2, id, rank));
    DeviceArray<int> memory(4), source(4);
    memory.fill(-1);
    source.fill(1);
    ncclWindow_t window = nullptr;
    ASSERT_NCCL(ncclCommWindowRegister(comm, memory.data(), 16, &window, NCCL_WIN_DEFAULT));
    if (rank == 0) {
      const DeviceStream stream;
      EXPECT_NCCL(wait_for(1, 1, comm, stream));
      EXPECT_NCCL(ncclPutSignal(source.data(), 4, ncclInt, 1, window, 0, 0, 0, 0, comm, stream));
      std::thread other([&] {
        std::this_thread::sleep_for(milliseconds(30));
        EXPECT_NCCL(ncclCommAbort(comm));
      });
      const auto begin = Clock::now();
      stream.wait();
      other.join();
      EXPECT_LT(Clock::now() - begin, seconds(10));
      over = true;
    } else {
      while (!over) std::this_thread::sleep_for(milliseconds(1));
      EXPECT_EQ(memory.values(), std::vector<int>(4, -1));
      EXPECT_NCCL(ncclCommAbort(comm));
    }
  });
}

TEST(NcclOneSidedOnDevice, SignalsThatNobodyTookDoNotOutliveTheirCommunicator) {
  for (int round = 0; round < 2; ++round)
    on_ranks(2, [](int rank, ncclComm_t comm) {
      WindowOf window(comm, 4);
      DeviceStream stream;
      DeviceArray<int> five(1);
      five.fill(5);
      if (rank == 0) {
        EXPECT_NCCL(wait_for(2, 1, comm, stream));
        stream.wait();
        EXPECT_EQ(window.memory()[0], 5);
      } else {
        EXPECT_NCCL(ncclSignal(0, 0, 0, 0, comm, stream));
        stream.wait();
        std::this_thread::sleep_for(milliseconds(20));
        EXPECT_NCCL(ncclPutSignal(five.data(), 1, ncclInt, 0, window, 0, 0, 0, 0, comm, stream));
        // In the next communicator rank 0 would take this one for that of the put.
        EXPECT_NCCL(ncclSignal(0, 0, 0, 0, comm, stream));
      }
      meet(comm, stream);
    });
}

}  // namespace
}  // namespace sluice::test
