// Windows of GPUs' memory: what may be put into them, and what becomes of those that peers do not
// reach.
#include "device_double/nccl/windows.hpp"

namespace sluice::test {
namespace {

TEST(NcclWindowsOnDevice, WhatDoesNotFitIsRefused) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    const int peer = 1 - rank;
    WindowOf window(comm, rank == 0 ? 100 : 200);  // sizes may differ
    const std::size_t theirs = peer == 0 ? 100 : 200;
    DeviceStream stream;
    DeviceArray<int> source(300);
    const auto put = [&](const void* from, std::size_t count, std::size_t offset) {
      return ncclPutSignal(from, count, ncclInt, peer, window, offset, 0, 0, 0, comm, stream);
    };
    EXPECT_EQ(put(source.data(), theirs + 1, 0), ncclInvalidArgument);
    EXPECT_TRUE(says("of rank " + std::to_string(peer) + "'s window", comm));
    EXPECT_EQ(put(source.data(), 1, theirs * 4 - 3), ncclInvalidArgument);
    EXPECT_EQ(put(source.data(), 1, ~std::size_t{0}), ncclInvalidArgument);
    EXPECT_EQ(put(source.data(), ~std::size_t{0} / 2, 8), ncclInvalidArgument);
    EXPECT_EQ(put(nullptr, 1, 0), ncclInvalidArgument);
    int of_the_host = 0;
    EXPECT_EQ(put(&of_the_host, 1, 0), ncclInvalidUsage);
    EXPECT_TRUE(says("expected memory that kernels reach", comm));
    // One that is refused spoils its group.
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(put(source.data(), 1, 0));
    EXPECT_EQ(put(source.data(), 1, theirs * 4), ncclInvalidArgument);
    EXPECT_EQ(ncclGroupEnd(), ncclInvalidArgument);
    EXPECT_NCCL(put(source.data(), theirs, 0));
    EXPECT_NCCL(wait_for(1, peer, comm, stream));
    meet(comm, stream);
  });
}

TEST(NcclWindowsOnDevice, WindowsThatPeersDoNotReachSayWhy) {
  const auto expect_local = [](const char* why) {
    on_ranks(2, [&](int rank, ncclComm_t comm) {
      WindowOf window(comm, 16);
      DeviceStream stream;
      DeviceArray<int> source(1);
      EXPECT_EQ(
          ncclPutSignal(source.data(), 1, ncclInt, 1 - rank, window, 0, 0, 0, 0, comm, stream),
          ncclInvalidUsage);
      EXPECT_TRUE(says(why, comm)) << ncclGetLastError(comm);
      int nothing = 0;
      EXPECT_NCCL(ncclAllReduce(&nothing, &nothing, 1, ncclInt, ncclSum, comm, nullptr));
    });
  };
  {
    const Variable segments("SLUICE_DEVICE_SEGMENTS", "host");
    expect_local("the ranks' devices do not reach each other's memory");
  }
  const Variable transport("SLUICE_TRANSPORT", "tcp");
  expect_local("is on another host");
}

TEST(NcclWindowsOnDevice, WindowsOfACommunicatorAreOfOneKind) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> source(1);
    std::vector<int> host(4);
    ncclWindow_t mixed = nullptr;
    DeviceArray<int> device(4);
    ASSERT_NCCL(ncclCommWindowRegister(comm, rank == 0 ? host.data() : device.data(), 16, &mixed,
                                       NCCL_WIN_DEFAULT));
    EXPECT_EQ(ncclPutSignal(source.data(), 1, ncclInt, 0, mixed, 0, 0, 0, 0, comm, stream),
              ncclInvalidUsage);
    EXPECT_TRUE(says("rank 1's window is memory of a GPU and rank 0's is the host's", comm));
    WindowOf window(comm, 4);  // the first one that peers reach
    ncclWindow_t late = nullptr;
    ASSERT_NCCL(ncclCommWindowRegister(comm, host.data(), 16, &late, NCCL_WIN_DEFAULT));
    EXPECT_EQ(ncclPutSignal(source.data(), 1, ncclInt, 0, late, 0, 0, 0, 0, comm, stream),
              ncclInvalidUsage);
    EXPECT_TRUE(says("expected one kind in a communicator", comm));
    meet(comm, stream);
  });
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> source(1);
    std::vector<int> host(4);
    ncclWindow_t window = nullptr;
    ASSERT_NCCL(ncclCommWindowRegister(comm, host.data(), 16, &window, NCCL_WIN_DEFAULT));
    const int one = 1;
    const auto put = [&](const void* from, cudaStream_t on) {
      return ncclPutSignal(from, 1, ncclInt, 1 - rank, window, 0, 0, 0, 0, comm, on);
    };
    EXPECT_EQ(put(source.data(), stream), ncclInvalidUsage);
    EXPECT_TRUE(says("expected memory of the host", comm));
    EXPECT_EQ(put(&one, stream), ncclInvalidUsage);
    EXPECT_TRUE(says("such calls run at once, on no stream", comm));
    EXPECT_NCCL(put(&one, nullptr));
    EXPECT_NCCL(wait_for(1, 1 - rank, comm, nullptr));
    EXPECT_EQ(host[0], 1);
    meet(comm, stream);
  });
}

}  // namespace
}  // namespace sluice::test
