// Making and ending communicators that work on a device; what becomes of kernels whose peers do not
// come.
#include <atomic>

#include "device_double/kernel.hpp"
#include "device_double/nccl/device.hpp"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kCount = 5000;

ncclResult_t sum(DeviceArray<int>& values, ncclComm_t comm, cudaStream_t stream) {
  return ncclAllReduce(values.data(), values.data(), values.size(), ncclInt, ncclSum, comm, stream);
}

ncclResult_t asynchronous_error(ncclComm_t comm) {
  ncclResult_t error = ncclInternalError;
  EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
  return error;
}

/// That of another rank, whose news may be under way.
ncclResult_t awaited_error(ncclComm_t comm) {
  const auto deadline = Clock::now() + seconds(20);
  while (asynchronous_error(comm) == ncclSuccess && Clock::now() < deadline)
    std::this_thread::sleep_for(milliseconds(5));
  return asynchronous_error(comm);
}

TEST(NcclOnDevice, QueriesTellOfTheDevice) {
  on_ranks(2, [](int, ncclComm_t comm) {
    int device = -1;
    EXPECT_NCCL(ncclCommCuDevice(comm, &device));
    EXPECT_EQ(device, 0);
    std::uint64_t total = 0, suspend = 1;
    EXPECT_NCCL(ncclCommMemStats(comm, ncclStatGpuMemTotal, &total));
    EXPECT_NCCL(ncclCommMemStats(comm, ncclStatGpuMemSuspend, &suspend));
    EXPECT_GT(total, std::uint64_t{1} << 20);
    EXPECT_EQ(suspend, 0U);
    ncclCommProperties_t properties{};
    properties.size = sizeof properties;
    properties.magic = NCCL_API_MAGIC;
    properties.version = NCCL_VERSION_CODE;
    EXPECT_NCCL(ncclCommQueryProperties(comm, &properties));
    EXPECT_EQ(properties.cudaDev, 0);
  });
}

/// Blocks of a sum of `count` elements on two ranks with this configuration.
unsigned blocks_of_sum(std::size_t count, const ncclConfig_t& given) {
  const ncclUniqueId id = new_id();
  std::atomic<unsigned> blocks = 0;
  on_threads(2, [&](int rank) {
    ncclConfig_t config = given;
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRankConfig(&comm, 2, id, rank, &config));
    DeviceStream stream;
    DeviceArray<int> values(count);
    values.fill(1);
    EXPECT_NCCL(sum(values, comm, stream));
    if (rank == 0) blocks = blocks_launched_last();
    stream.wait();
    EXPECT_EQ(values.values(), std::vector<int>(count, 2));
    EXPECT_NCCL(ncclCommDestroy(comm));
  });
  return blocks;
}

// The double holds 16 blocks, so 2 ranks have room for 8 each, and take 4 unless told otherwise.
TEST(NcclOnDevice, AConfigurationBoundsTheBlocksOfACall) {
  constexpr std::size_t kLarge = 1 << 18, kSmall = 100;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  EXPECT_EQ(blocks_of_sum(kLarge, config), 4U);
  EXPECT_EQ(blocks_of_sum(kSmall, config), 1U);
  config.maxCTAs = 2;
  EXPECT_EQ(blocks_of_sum(kLarge, config), 2U);
  config.maxCTAs = 32;  // a bound, and no wish
  EXPECT_EQ(blocks_of_sum(kLarge, config), 4U);
  config.minCTAs = 3;
  EXPECT_EQ(blocks_of_sum(kSmall, config), 3U);
  EXPECT_EQ(blocks_of_sum(kLarge, config), 4U);
  config.minCTAs = 20;
  EXPECT_EQ(blocks_of_sum(kSmall, config), 8U);
}

TEST(NcclOnDevice, TheEnvironmentBoundsTheBlocksOfACall) {
  constexpr std::size_t kLarge = 1 << 18, kSmall = 100;
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.minCTAs = 5;
  {
    const Variable most("NCCL_MAX_CTAS", "2");
    EXPECT_EQ(blocks_of_sum(kLarge, config), 2U);
    EXPECT_EQ(blocks_of_sum(kSmall, config), 2U);
  }
  const Variable least("NCCL_MIN_CTAS", "6");
  EXPECT_EQ(blocks_of_sum(kSmall, config), 6U);
  const Variable wrong("NCCL_MAX_CTAS", "0");
  ncclComm_t comm = nullptr;
  EXPECT_EQ(ncclCommInitRank(&comm, 1, new_id(), 0), ncclInvalidArgument);
  EXPECT_TRUE(says("NCCL_MAX_CTAS=0"));
}

TEST(NcclOnDevice, ChildrenHaveTheirOwnBounds) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.minCTAs = config.maxCTAs = 3;
    ncclComm_t child = nullptr, grandchild = nullptr;
    ASSERT_NCCL(ncclCommSplit(comm, 0, rank, &child, &config));
    ASSERT_NCCL(ncclCommSplit(child, 0, rank, &grandchild, nullptr));
    for (ncclComm_t each : {child, grandchild}) {
      DeviceStream stream;
      DeviceArray<int> values(100);
      values.fill(1);
      EXPECT_NCCL(sum(values, each, stream));
      EXPECT_EQ(blocks_launched_last(), 3U);
      stream.wait();
      EXPECT_EQ(values[99], 2);
      EXPECT_NCCL(ncclCommDestroy(each));
    }
  });
}

/// What a communicator of two ranks has on the device.
std::uint64_t memory_on_device() {
  std::atomic<std::uint64_t> total = 0;
  on_ranks(2, [&](int rank, ncclComm_t comm) {
    std::uint64_t mine = 0;
    EXPECT_NCCL(ncclCommMemStats(comm, ncclStatGpuMemTotal, &mine));
    if (rank == 0) total = mine;
  });
  return total;
}

TEST(NcclOnDevice, SegmentsInMemoryOfTheHostAreNotCounted) {
  const std::uint64_t on_device = memory_on_device();
  const Variable segments("SLUICE_DEVICE_SEGMENTS", "host");
  const std::uint64_t elsewhere = memory_on_device();
  EXPECT_GT(elsewhere, 0U);
  EXPECT_LT(elsewhere + (std::uint64_t{8} << 20), on_device);  // 4 strands of 4 MiB
}

TEST(NcclOnDevice, ADeviceOfTheListThatIsNotThereIsRefused) {
  ncclComm_t comms[2] = {};
  const int devices[2] = {0, 3};
  EXPECT_NE(ncclCommInitAll(comms, 2, devices), ncclSuccess);
  EXPECT_TRUE(says("device 3 was asked for; expected 0 to 0"));
}

TEST(NcclOnDevice, DestroyWaitsForWhatWasEnqueued) {
  const ncclUniqueId id = new_id();
  DeviceArray<int> values[2] = {DeviceArray<int>(kCount), DeviceArray<int>(kCount)};
  DeviceStream streams[2];
  on_threads(2, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 2, id, rank));
    if (rank == 1) std::this_thread::sleep_for(milliseconds(200));
    values[rank].fill(1);
    EXPECT_NCCL(sum(values[rank], comm, streams[rank]));
    if (rank == 1) {
      EXPECT_NCCL(ncclCommFinalize(comm));
    }
    EXPECT_NCCL(ncclCommDestroy(comm));
    EXPECT_EQ(values[rank].values(), std::vector<int>(kCount, 2));
  });
}

TEST(NcclOnDevice, AbortByAnotherThreadReleasesKernels) {
  const ncclUniqueId id = new_id();
  on_threads(2, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 2, id, rank));
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    std::atomic<bool> waits = false;
    if (rank == 0) {
      EXPECT_NCCL(sum(values, comm, stream));
      std::thread other([&] {
        while (!waits) std::this_thread::yield();
        std::this_thread::sleep_for(milliseconds(100));
        EXPECT_NCCL(ncclCommAbort(comm));
      });
      const auto begin = Clock::now();
      waits = true;
      stream.wait();
      other.join();
      EXPECT_LT(Clock::now() - begin, seconds(5));
    } else {
      // It never calls: the other one's abort is its error.
      EXPECT_EQ(awaited_error(comm), ncclRemoteError);
      EXPECT_EQ(sum(values, comm, stream), ncclRemoteError);
      EXPECT_NCCL(ncclCommAbort(comm));
    }
  });
}

TEST(NcclOnDevice, ARankThatDoesNotComeIsAnErrorAtTheDeadline) {
  const Variable timeout("SLUICE_TIMEOUT_MS", "8000");
  const ncclUniqueId id = new_id();
  std::atomic<int> done = 0;
  on_threads(3, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 3, id, rank));
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    if (rank != 2) {
      const auto begin = Clock::now();
      EXPECT_NCCL(sum(values, comm, stream));
      stream.wait();  // the kernel has left by itself
      EXPECT_LT(Clock::now() - begin, seconds(40));
      const ncclResult_t error = asynchronous_error(comm);
      EXPECT_TRUE(error == ncclTimeout || error == ncclRemoteError) << error;
      EXPECT_TRUE(says("rank 2", comm) || error == ncclRemoteError) << ncclGetLastError(comm);
      EXPECT_EQ(sum(values, comm, stream), error);
      ++done;
    } else {
      while (done < 2) std::this_thread::sleep_for(milliseconds(5));
      EXPECT_NE(awaited_error(comm), ncclSuccess);
    }
    EXPECT_NCCL(ncclCommAbort(comm));
  });
}

TEST(NcclOnDevice, CallsThatDoNotFitAreAnAsynchronousError) {
  const ncclUniqueId id = new_id();
  std::atomic<int> named = 0;
  on_threads(2, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 2, id, rank));
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    EXPECT_NCCL(ncclAllReduce(values.data(), values.data(), kCount, ncclInt,
                              rank == 0 ? ncclSum : ncclMax, comm, stream));
    stream.wait();
    EXPECT_NE(asynchronous_error(comm), ncclSuccess);
    if (says("calls do not match", comm)) ++named;
    EXPECT_NCCL(ncclCommAbort(comm));
  });
  EXPECT_GE(named, 1);
}

TEST(NcclOnDevice, SurvivorsGoOnOnTheDevice) {
  const ncclUniqueId id = new_id();
  std::atomic<int> made = 0;
  on_threads(3, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 3, id, rank));
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    values.fill(1);
    if (rank == 2) {
      while (made < 2) std::this_thread::sleep_for(milliseconds(1));
      EXPECT_NCCL(ncclCommAbort(comm));
      return;
    }
    EXPECT_NCCL(sum(values, comm, stream));  // waits for rank 2
    ++made;
    stream.wait();
    int excluded = 2;
    ncclComm_t fewer = nullptr;
    ASSERT_NCCL(ncclCommShrink(comm, &excluded, 1, &fewer, nullptr, NCCL_SHRINK_ABORT));
    values.fill(3);
    EXPECT_NCCL(sum(values, fewer, stream));
    stream.wait();
    EXPECT_EQ(values.values(), std::vector<int>(kCount, 6));
    EXPECT_NCCL(ncclCommDestroy(fewer));
    EXPECT_NCCL(ncclCommAbort(comm));
  });
}

TEST(NcclOnDevice, PartsOfACommunicator) {
  on_ranks(4, [](int rank, ncclComm_t comm) {
    ncclComm_t half = nullptr;
    ASSERT_NCCL(ncclCommSplit(comm, rank % 2, -rank, &half, nullptr));
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    values.fill(rank);
    EXPECT_NCCL(sum(values, half, stream));
    stream.wait();
    EXPECT_EQ(values.values(), std::vector<int>(kCount, rank % 2 == 0 ? 2 : 4));
    EXPECT_NCCL(ncclCommDestroy(half));
  });
}

TEST(NcclOnDevice, NonBlockingCallsAreEnqueuedAtOnce) {
  const ncclUniqueId id = new_id();
  on_threads(2, [&](int rank) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t comm = nullptr;
    EXPECT_EQ(ncclCommInitRankConfig(&comm, 2, id, rank, &config), ncclInProgress);
    EXPECT_EQ(settled(comm), ncclSuccess);
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    values.fill(1);
    EXPECT_NCCL(sum(values, comm, stream));
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(sum(values, comm, stream));
    EXPECT_NCCL(sum(values, comm, stream));
    EXPECT_NCCL(ncclGroupEnd());
    const ncclResult_t finalized = ncclCommFinalize(comm);
    EXPECT_TRUE(finalized == ncclSuccess || finalized == ncclInProgress) << finalized;
    EXPECT_EQ(settled(comm), ncclSuccess);
    EXPECT_EQ(values.values(), std::vector<int>(kCount, 8));
    EXPECT_NCCL(ncclCommDestroy(comm));
  });
}

TEST(NcclOnDevice, MoreRanksThanTheDeviceHoldsWorkOnHostMemory) {
  on_ranks(17, [](int, ncclComm_t comm) {
    int value = 1;
    EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(value, 17);
    DeviceStream stream;
    DeviceArray<int> values(4);
    EXPECT_EQ(sum(values, comm, nullptr), ncclInvalidUsage);
    EXPECT_TRUE(says("the communicator has none to work on", comm));
    EXPECT_TRUE(says("more ranks share a device", comm));
    EXPECT_EQ(sum(values, comm, stream), ncclInvalidUsage);
    ncclRedOp_t op;
    EXPECT_EQ(ncclRedOpCreatePreMulSum(&op, values.data(), ncclInt, ncclScalarDevice, comm),
              ncclInvalidUsage);
  });
}

TEST(NcclOnDevice, MemoryIsTheDevicesAndCanBeRegistered) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    void* memory = nullptr;
    ASSERT_NCCL(ncclMemAlloc(&memory, 4096));
    const auto place = device::place_of(memory);
    ASSERT_TRUE(place.ok());
    EXPECT_EQ(place.value().kind, MemoryKind::kDevice);
    void* handle = nullptr;
    EXPECT_NCCL(ncclCommRegister(comm, memory, 4096, &handle));
    ncclWindow_t window = nullptr;
    EXPECT_NCCL(ncclCommWindowRegister(comm, memory, 4096, &window, NCCL_WIN_COLL_SYMMETRIC));
    DeviceStream stream;
    int* const values = static_cast<int*>(memory);
    std::fill_n(values, 1024, rank);
    EXPECT_NCCL(ncclAllReduce(values, values, 1024, ncclInt, ncclSum, comm, stream));
    stream.wait();
    EXPECT_EQ(values[1023], 1);
    void* mine = nullptr;
    EXPECT_NCCL(ncclWinGetUserPtr(comm, window, &mine));
    EXPECT_EQ(mine, memory);
    EXPECT_NCCL(ncclCommWindowDeregister(comm, window));
    EXPECT_NCCL(ncclCommDeregister(comm, handle));
    EXPECT_NCCL(ncclMemFree(memory));
  });
}

TEST(NcclOnDevice, SuspendedAndRevokedCommunicatorsRefuse) {
  std::atomic<bool> enqueued = false;
  on_ranks(2, [&](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    values.fill(1);
    EXPECT_NCCL(ncclCommSuspend(comm, NCCL_SUSPEND_MEM));
    EXPECT_EQ(sum(values, comm, stream), ncclInvalidUsage);
    EXPECT_NCCL(ncclCommResume(comm));
    EXPECT_NCCL(sum(values, comm, stream));
    stream.wait();
    EXPECT_EQ(values[0], 2);
    if (rank == 0) {
      EXPECT_NCCL(sum(values, comm, stream));  // rank 1 does not join it
      enqueued = true;
    }
    while (!enqueued) std::this_thread::yield();
    EXPECT_NCCL(ncclCommRevoke(comm, NCCL_REVOKE_DEFAULT));
    stream.wait();
    EXPECT_EQ(sum(values, comm, stream), ncclInvalidUsage);
  });
}

}  // namespace
}  // namespace sluice::test
