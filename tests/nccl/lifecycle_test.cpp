// Making and ending communicators; errors that others cause; non-blocking ones.
#include <atomic>
#include <chrono>

#include "nccl/door.hpp"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;

/// A short deadline for what is meant to fail by it.
class ShortTimeout {
 public:
  explicit ShortTimeout(const char* ms) { setenv("SLUICE_TIMEOUT_MS", ms, 1); }
  ~ShortTimeout() { unsetenv("SLUICE_TIMEOUT_MS"); }
};

TEST(NcclLifecycle, VersionAndTexts) {
  int version = 0;
  EXPECT_NCCL(ncclGetVersion(&version));
  EXPECT_EQ(version, NCCL_VERSION_CODE);
  EXPECT_EQ(version, NCCL_VERSION(2, 32, 3));
  EXPECT_EQ(ncclGetVersion(nullptr), ncclInvalidArgument);
  EXPECT_STREQ(ncclGetErrorString(ncclSuccess), "no error");
  for (int code = 0; code <= ncclNumResults; ++code)
    EXPECT_NE(*ncclGetErrorString(static_cast<ncclResult_t>(code)), '\0');
  EXPECT_NE(ncclGetLastError(nullptr), nullptr);
  EXPECT_EQ(pncclGetVersion(&version), ncclSuccess);
}

TEST(NcclLifecycle, BadArgumentsOfInit) {
  ncclComm_t comm = nullptr;
  const ncclUniqueId id = new_id();
  EXPECT_EQ(ncclCommInitRank(&comm, 2, id, 2), ncclInvalidArgument);
  EXPECT_TRUE(says("rank 2 of 2"));
  EXPECT_EQ(ncclCommInitRank(&comm, 0, id, 0), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitRank(nullptr, 1, id, 0), ncclInvalidArgument);
  EXPECT_EQ(ncclGetUniqueId(nullptr), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitAll(&comm, 0, nullptr), ncclInvalidArgument);
  EXPECT_EQ(ncclCommInitRankScalable(&comm, 1, 0, 0, nullptr, nullptr), ncclInvalidArgument);
  EXPECT_NCCL(ncclCommDestroy(nullptr));
  EXPECT_NCCL(ncclCommAbort(nullptr));
}

TEST(NcclLifecycle, TheDevicesOfInitAllAreKept) {
  ncclComm_t comms[2] = {};
  const int devices[2] = {3, 3};  // two ranks of one device are fine
  ASSERT_NCCL(ncclCommInitAll(comms, 2, devices));
  int device = 0;
  EXPECT_NCCL(ncclCommCuDevice(comms[1], &device));
  EXPECT_EQ(device, 3);
  for (ncclComm_t comm : comms) EXPECT_NCCL(ncclCommDestroy(comm));
}

TEST(NcclLifecycle, ManyIdsOneMeeting) {
  ncclUniqueId ids[2] = {new_id(), new_id()};
  on_threads(3, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRankScalable(&comm, 3, rank, 2, ids, nullptr));
    int one = 1, sum = 0;
    EXPECT_NCCL(ncclAllReduce(&one, &sum, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(sum, 3);
    EXPECT_NCCL(ncclCommFinalize(comm));
    EXPECT_EQ(ncclAllReduce(&one, &sum, 1, ncclInt, ncclSum, comm, nullptr), ncclInvalidUsage);
    EXPECT_TRUE(says("finalized", comm));
    EXPECT_NCCL(ncclCommDestroy(comm));
  });
}

TEST(NcclLifecycle, WhoDoesNotComeIsNamed) {
  const ShortTimeout timeout("500");
  ncclComm_t comm = nullptr;
  EXPECT_EQ(ncclCommInitRank(&comm, 2, new_id(), 1), ncclTimeout);
  EXPECT_EQ(comm, nullptr);
  EXPECT_TRUE(says("rank 0 of 2 did not join"));
}

TEST(NcclLifecycle, AbortFromAnotherThreadFreesTheWait) {
  const ncclUniqueId id = new_id();
  std::atomic<ncclComm_t> waiting = nullptr;
  on_threads(2, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 2, id, rank));
    if (rank == 0) {
      std::thread aborter([&] {
        std::this_thread::sleep_for(milliseconds(100));
        EXPECT_NCCL(ncclCommAbort(comm));
      });
      int got = 0;
      EXPECT_EQ(ncclRecv(&got, 1, ncclInt, 1, comm, nullptr), ncclRemoteError);
      aborter.join();
    } else {
      ncclResult_t error = ncclSuccess;
      while (error == ncclSuccess) EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
      EXPECT_EQ(error, ncclRemoteError);
      EXPECT_TRUE(says("rank 0", comm));
      EXPECT_NCCL(ncclCommAbort(comm));
    }
  });
}

TEST(NcclLifecycle, RevokeEndsOperationsAndLeavesManagement) {
  on_ranks(3, [](int rank, ncclComm_t comm) {
    int got = 0;
    if (rank == 1) {
      std::thread revoker([&] {
        std::this_thread::sleep_for(milliseconds(100));
        EXPECT_NCCL(ncclCommRevoke(comm, NCCL_REVOKE_DEFAULT));
      });
      EXPECT_EQ(ncclRecv(&got, 1, ncclInt, 0, comm, nullptr), ncclRemoteError);
      revoker.join();
    } else {
      EXPECT_NCCL(ncclCommRevoke(comm, NCCL_REVOKE_DEFAULT));
    }
    ncclResult_t error = ncclInternalError;
    EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
    EXPECT_EQ(error, ncclSuccess);
    EXPECT_EQ(ncclAllReduce(&got, &got, 1, ncclInt, ncclSum, comm, nullptr), ncclInvalidUsage);
    EXPECT_TRUE(says("revoked", comm));
    EXPECT_EQ(ncclCommFinalize(comm), ncclInvalidUsage);
    EXPECT_EQ(ncclCommRevoke(comm, 1), ncclInvalidArgument);

    ncclComm_t child = nullptr;
    ASSERT_NCCL(ncclCommSplit(comm, rank % 2, -rank, &child, nullptr));
    int size = 0, own = -1;
    EXPECT_NCCL(ncclCommCount(child, &size));
    EXPECT_NCCL(ncclCommUserRank(child, &own));
    EXPECT_EQ(size, rank == 1 ? 1 : 2);
    EXPECT_EQ(own, rank == 0 ? 1 : 0);
    EXPECT_NCCL(ncclCommDestroy(child));
  });
}

TEST(NcclLifecycle, SuspendedMeansNoCalls) {
  on_ranks(1, [](int, ncclComm_t comm) {
    int value = 1;
    std::uint64_t suspended = 7;
    EXPECT_EQ(ncclCommResume(comm), ncclInvalidUsage);
    EXPECT_EQ(ncclCommSuspend(comm, 0), ncclInvalidArgument);
    ASSERT_NCCL(ncclCommSuspend(comm, NCCL_SUSPEND_MEM));
    EXPECT_NCCL(ncclCommMemStats(comm, ncclStatGpuMemSuspended, &suspended));
    EXPECT_EQ(suspended, 1u);
    EXPECT_EQ(ncclCommSuspend(comm, NCCL_SUSPEND_MEM), ncclInvalidUsage);
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, comm, nullptr), ncclInvalidUsage);
    ASSERT_NCCL(ncclCommResume(comm));
    EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_NCCL(ncclCommMemStats(comm, ncclStatGpuMemTotal, &suspended));
    EXPECT_EQ(suspended, 0u);
    EXPECT_EQ(ncclCommMemStats(comm, static_cast<ncclCommMemStat_t>(9), &suspended),
              ncclInvalidArgument);
  });
}

TEST(NcclLifecycle, WithAKeyAnIdAloneIsWorthless) {
  const ShortTimeout timeout("5000");
  ncclEncryptionConfig_t with_key = NCCL_ENCRYPTION_CONFIG_INITIALIZER;
  with_key.mode = NCCL_ENCRYPTION_MODE_PSK;
  with_key.psk = "too short";
  EXPECT_EQ(ncclSetEncryption(&with_key), ncclInvalidArgument);
  with_key.psk = "0123456789abcdef0123456789abcdef";
  ASSERT_NCCL(ncclSetEncryption(&with_key));
  on_ranks(2, [](int, ncclComm_t comm) {
    int one = 1;
    EXPECT_NCCL(ncclAllReduce(&one, &one, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(one, 2);
  });
  const ncclUniqueId id = new_id();
  const ncclEncryptionConfig_t without = NCCL_ENCRYPTION_CONFIG_INITIALIZER;
  ASSERT_NCCL(ncclSetEncryption(&without));
  ncclComm_t comm = nullptr;
  EXPECT_EQ(ncclCommInitRank(&comm, 1, id, 0), ncclInvalidUsage);
  EXPECT_TRUE(says("secret"));
}

ncclConfig_t non_blocking() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  return config;
}

TEST(NcclNonBlocking, InProgressUntilItIsThere) {
  const ncclUniqueId id = new_id();
  ncclConfig_t config = non_blocking();
  ncclComm_t comms[2] = {};
  for (int rank = 0; rank < 2; ++rank)  // one thread, no group: nothing waits
    ASSERT_EQ(ncclCommInitRankConfig(&comms[rank], 2, id, rank, &config), ncclInProgress);
  for (ncclComm_t comm : comms) ASSERT_EQ(settled(comm), ncclSuccess);
  int values[2] = {1, 2};
  ASSERT_EQ(ncclAllReduce(&values[0], &values[0], 1, ncclInt, ncclSum, comms[0], nullptr),
            ncclInProgress);
  ncclResult_t error = ncclSuccess;
  EXPECT_NCCL(ncclCommGetAsyncError(comms[0], &error));
  EXPECT_EQ(error, ncclInProgress);
  EXPECT_EQ(ncclAllReduce(&values[0], &values[0], 1, ncclInt, ncclSum, comms[0], nullptr),
            ncclInvalidArgument);
  ASSERT_EQ(ncclAllReduce(&values[1], &values[1], 1, ncclInt, ncclSum, comms[1], nullptr),
            ncclInProgress);
  for (ncclComm_t comm : comms) ASSERT_EQ(settled(comm), ncclSuccess);
  EXPECT_EQ(values[0], 3);
  EXPECT_EQ(values[1], 3);

  ncclComm_t children[2] = {};
  for (int rank = 0; rank < 2; ++rank)
    ASSERT_EQ(ncclCommSplit(comms[rank], 0, -rank, &children[rank], nullptr), ncclInProgress);
  for (ncclComm_t comm : comms) ASSERT_EQ(settled(comm), ncclSuccess);
  ASSERT_NCCL(ncclGroupStart());
  for (int rank = 0; rank < 2; ++rank)
    EXPECT_NCCL(
        ncclBroadcast(&values[rank], &values[rank], 1, ncclInt, 0, children[rank], nullptr));
  ASSERT_EQ(ncclGroupEnd(), ncclInProgress);
  for (ncclComm_t comm : children) {
    ASSERT_EQ(settled(comm), ncclSuccess);
    EXPECT_NCCL(ncclCommDestroy(comm));
  }
  for (ncclComm_t comm : comms) EXPECT_NCCL(ncclCommDestroy(comm));
}

TEST(NcclNonBlocking, WhatWasRevokedStaysSo) {
  const ncclUniqueId id = new_id();
  ncclConfig_t config = non_blocking();
  ncclComm_t comms[2] = {}, children[2] = {};
  for (int rank = 0; rank < 2; ++rank)
    ASSERT_EQ(ncclCommInitRankConfig(&comms[rank], 2, id, rank, &config), ncclInProgress);
  for (ncclComm_t comm : comms) ASSERT_EQ(settled(comm), ncclSuccess);
  for (ncclComm_t comm : comms) EXPECT_NCCL(ncclCommRevoke(comm, NCCL_REVOKE_DEFAULT));
  for (int rank = 0; rank < 2; ++rank)
    ASSERT_EQ(ncclCommSplit(comms[rank], 0, rank, &children[rank], nullptr), ncclInProgress);
  for (ncclComm_t comm : comms) ASSERT_EQ(settled(comm), ncclSuccess);
  int value = 1;
  for (ncclComm_t comm : comms)
    EXPECT_EQ(ncclBcast(&value, 1, ncclInt, 0, comm, nullptr), ncclInvalidUsage);
  for (ncclComm_t comm : children) EXPECT_NCCL(ncclCommDestroy(comm));
  for (ncclComm_t comm : comms) EXPECT_NCCL(ncclCommDestroy(comm));
}

TEST(NcclNonBlocking, AFailedInitialisationIsTheAsynchronousError) {
  const ShortTimeout timeout("300");
  ncclConfig_t config = non_blocking();
  ncclComm_t comm = nullptr;
  ASSERT_EQ(ncclCommInitRankConfig(&comm, 2, new_id(), 0, &config), ncclInProgress);
  EXPECT_EQ(settled(comm), ncclTimeout);
  EXPECT_TRUE(says("rank 1 of 2 did not join", comm));
  int count = 0;
  EXPECT_EQ(ncclCommCount(comm, &count), ncclTimeout);
  EXPECT_NCCL(ncclCommAbort(comm));
}

TEST(NcclNonBlocking, AbortWhileItIsBeingMade) {
  const ShortTimeout timeout("500");
  ncclConfig_t config = non_blocking();
  ncclComm_t comm = nullptr;
  ASSERT_EQ(ncclCommInitRankConfig(&comm, 2, new_id(), 0, &config), ncclInProgress);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_NCCL(ncclCommAbort(comm));
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(400));
  std::this_thread::sleep_for(milliseconds(1300));  // its task is over before the process is
}

TEST(NcclNonBlocking, AGroupIsOfOneKind) {
  const ncclUniqueId id = new_id(), other = new_id();
  ncclConfig_t config = non_blocking();
  ncclComm_t blocking = nullptr, not_blocking = nullptr;
  ASSERT_NCCL(ncclCommInitRank(&blocking, 1, id, 0));
  ASSERT_EQ(ncclCommInitRankConfig(&not_blocking, 1, other, 0, &config), ncclInProgress);
  ASSERT_EQ(settled(not_blocking), ncclSuccess);
  int value = 1;
  ASSERT_NCCL(ncclGroupStart());
  EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, blocking, nullptr));
  EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, not_blocking, nullptr));
  EXPECT_EQ(ncclGroupEnd(), ncclInvalidArgument);
  EXPECT_NCCL(ncclCommDestroy(blocking));
  EXPECT_NCCL(ncclCommDestroy(not_blocking));
}

}  // namespace
}  // namespace sluice::test
