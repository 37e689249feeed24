// Buffers, registration, windows, one-sided calls.
#include <chrono>
#include <cstring>

#include "nccl/door.hpp"

namespace sluice::test {
namespace {

TEST(NcclMemory, AllocatedAndFreed) {
  void* memory = nullptr;
  ASSERT_NCCL(ncclMemAlloc(&memory, 1 << 20));
  std::memset(memory, 1, 1 << 20);
  EXPECT_EQ(ncclMemFree(static_cast<char*>(memory) + 8), ncclInvalidArgument);
  EXPECT_NCCL(ncclMemFree(memory));
  EXPECT_NCCL(ncclMemAlloc(&memory, 0));
  EXPECT_EQ(memory, nullptr);
  EXPECT_NCCL(ncclMemFree(nullptr));
  EXPECT_EQ(ncclMemAlloc(nullptr, 8), ncclInvalidArgument);
  EXPECT_EQ(ncclMemAlloc(&memory, std::size_t{1} << 60), ncclSystemError);
}

TEST(NcclMemory, RegistrationsBelongToTheirCommunicator) {
  const AllHere ranks(2);
  int buffer[8];
  void* handle = nullptr;
  ASSERT_NCCL(ncclCommRegister(ranks[0], buffer, sizeof buffer, &handle));
  EXPECT_EQ(ncclCommDeregister(ranks[1], handle), ncclInvalidArgument);
  EXPECT_NCCL(ncclCommDeregister(ranks[0], handle));
  EXPECT_EQ(ncclCommRegister(ranks[0], nullptr, 8, &handle), ncclInvalidArgument);
  EXPECT_EQ(ncclCommRegister(ranks[0], buffer, 0, &handle), ncclInvalidArgument);
}

TEST(NcclMemory, WindowsOfDifferentSizes) {
  on_ranks(3, [](int rank, ncclComm_t comm) {
    std::vector<int> mine(static_cast<std::size_t>(10 * (rank + 1)), -1);
    ncclWindow_t window = nullptr;
    ASSERT_NCCL(ncclCommWindowRegister(comm, mine.data(), mine.size() * sizeof(int), &window,
                                       NCCL_WIN_COLL_SYMMETRIC));
    void* user = nullptr;
    EXPECT_NCCL(ncclWinGetUserPtr(comm, window, &user));
    EXPECT_EQ(user, mine.data());

    // Everybody puts its number into the next rank's last place.
    const int next = (rank + 1) % 3, previous = (rank + 2) % 3;
    const std::size_t last = static_cast<std::size_t>(10 * (next + 1) - 1) * sizeof(int);
    EXPECT_NCCL(ncclPutSignal(&rank, 1, ncclInt, next, window, last, 0, 0, 0, comm, nullptr));
    ncclWaitSignalDesc_t one{1, previous, 0, 0};
    EXPECT_NCCL(ncclWaitSignal(1, &one, comm, nullptr));
    EXPECT_EQ(mine.back(), previous);

    EXPECT_EQ(ncclPutSignal(&rank, 2, ncclInt, next, window, last, 0, 0, 0, comm, nullptr),
              ncclInvalidArgument);
    EXPECT_TRUE(says("window", comm));
    EXPECT_EQ(
        ncclPutSignal(&rank, ~std::size_t{0}, ncclInt, next, window, 0, 0, 0, 0, comm, nullptr),
        ncclInvalidArgument);
    EXPECT_EQ(ncclPutSignal(&rank, 1, ncclInt, 3, window, 0, 0, 0, 0, comm, nullptr),
              ncclInvalidArgument);
    EXPECT_EQ(ncclSignal(next, 1, 0, 0, comm, nullptr), ncclInvalidArgument);
    EXPECT_EQ(ncclSignal(next, 0, 1, 0, comm, nullptr), ncclInvalidArgument);
    EXPECT_EQ(ncclSignal(next, 0, 0, 1, comm, nullptr), ncclInvalidArgument);
    int barrier = 0;
    EXPECT_NCCL(ncclAllReduce(&barrier, &barrier, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_NCCL(ncclCommWindowDeregister(comm, window));
    EXPECT_EQ(ncclCommWindowDeregister(comm, window), ncclInvalidArgument);
  });
}

TEST(NcclMemory, SignalsAreCountedByContextAndIndex) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.numRmaCtx = 2;
  config.numRmaSig = 3;
  on_ranks(
      2,
      [](int rank, ncclComm_t comm) {
        int place = 0;
        ncclWindow_t window = nullptr;
        EXPECT_EQ(ncclSignal(0, 0, 0, 0, comm, nullptr), ncclInvalidUsage);  // no window yet
        ASSERT_NCCL(ncclCommWindowRegister(comm, &place, sizeof place, &window, 0));
        const int peer = 1 - rank;
        ASSERT_NCCL(ncclGroupStart());
        ncclWaitSignalDesc_t both[2] = {{2, peer, 2, 1}, {1, rank, 0, 0}};
        EXPECT_NCCL(ncclWaitSignal(2, both, comm, nullptr));  // runs after the signals
        EXPECT_NCCL(ncclSignal(peer, 2, 1, 0, comm, nullptr));
        EXPECT_NCCL(ncclSignal(peer, 2, 1, 0, comm, nullptr));
        EXPECT_NCCL(ncclSignal(rank, 0, 0, 0, comm, nullptr));
        ASSERT_NCCL(ncclGroupEnd());
        int barrier = 0;
        EXPECT_NCCL(ncclAllReduce(&barrier, &barrier, 1, ncclInt, ncclSum, comm, nullptr));
      },
      &config);
}

TEST(NcclMemory, AWaitForASignalThatDoesNotComeEnds) {
  setenv("SLUICE_TIMEOUT_MS", "2000", 1);
  on_ranks(2, [](int rank, ncclComm_t comm) {
    int place = 0;
    ncclWindow_t window = nullptr;
    ASSERT_NCCL(ncclCommWindowRegister(comm, &place, sizeof place, &window, 0));
    if (rank == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(3000));
      return;
    }
    ncclWaitSignalDesc_t never{1, 1, 0, 0};
    EXPECT_EQ(ncclWaitSignal(1, &never, comm, nullptr), ncclTimeout);
    EXPECT_TRUE(says("rank 1", comm));
  });
  unsetenv("SLUICE_TIMEOUT_MS");
}

TEST(NcclMemory, WindowsForKernelsAreRefused) {
  on_ranks(1, [](int, ncclComm_t comm) {
    int place = 0;
    ncclWindow_t window = nullptr;
    EXPECT_EQ(ncclCommWindowRegister(comm, &place, sizeof place, &window, NCCL_WIN_GIN_ONLY),
              ncclInvalidUsage);
    EXPECT_EQ(ncclCommWindowRegister(comm, &place, sizeof place, &window, 0x100),
              ncclInvalidArgument);
  });
}

}  // namespace
}  // namespace sluice::test
