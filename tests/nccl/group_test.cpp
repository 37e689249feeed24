// Groups: any mix of operations, several ranks of one thread, errors at the end.
#include <chrono>

#include "nccl/door.hpp"

namespace sluice::test {
namespace {

TEST(NcclGroup, OneThreadDrivesAllRanks) {
  const AllHere ranks(4);
  std::vector<int> values{1, 2, 3, 4};
  for (int round = 0; round < 20; ++round) {
    std::vector<int> sums(4);
    ASSERT_NCCL(ncclGroupStart());
    for (int rank = 0; rank < 4; ++rank) {
      const auto r = static_cast<std::size_t>(rank);
      EXPECT_NCCL(ncclAllReduce(&values[r], &sums[r], 1, ncclInt, ncclSum, ranks[rank], nullptr));
    }
    ASSERT_NCCL(ncclGroupEnd());
    EXPECT_EQ(sums, std::vector<int>(4, 10));
  }
}

TEST(NcclGroup, RanksInitialisedByOneThread) {
  const ncclUniqueId id = new_id();
  ncclComm_t comms[3] = {};
  ASSERT_NCCL(ncclGroupStart());
  for (int rank = 0; rank < 3; ++rank) EXPECT_NCCL(ncclCommInitRank(&comms[rank], 3, id, rank));
  ASSERT_NCCL(ncclGroupEnd());
  for (int rank = 0; rank < 3; ++rank) {
    int count = 0, own = -1;
    EXPECT_NCCL(ncclCommCount(comms[rank], &count));
    EXPECT_NCCL(ncclCommUserRank(comms[rank], &own));
    EXPECT_EQ(count, 3);
    EXPECT_EQ(own, rank);
  }
  ASSERT_NCCL(ncclGroupStart());
  for (ncclComm_t comm : comms) EXPECT_NCCL(ncclCommDestroy(comm));
  ASSERT_NCCL(ncclGroupEnd());
}

TEST(NcclGroup, AllToAllOfMessagesUnevenWithSelfAndEmpty) {
  constexpr int kRanks = 4;
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    // r sends r + p elements to p, large ones too, nothing where r + p is 3.
    const auto count = [](int from, int to) {
      return from + to == 3 ? std::size_t{0} : static_cast<std::size_t>(from + to) * 10'000 + 1;
    };
    std::vector<std::vector<int>> sent(kRanks), received(kRanks);
    ASSERT_NCCL(ncclGroupStart());
    for (int peer = 0; peer < kRanks; ++peer) {
      const auto p = static_cast<std::size_t>(peer);
      sent[p].assign(count(rank, peer), rank * 100 + peer);
      received[p].assign(count(peer, rank), -1);
      EXPECT_NCCL(ncclSend(sent[p].data(), sent[p].size(), ncclInt, peer, comm, nullptr));
      EXPECT_NCCL(ncclRecv(received[p].data(), received[p].size(), ncclInt, peer, comm, nullptr));
    }
    ASSERT_NCCL(ncclGroupEnd());
    for (int peer = 0; peer < kRanks; ++peer)
      EXPECT_EQ(received[static_cast<std::size_t>(peer)],
                std::vector<int>(count(peer, rank), peer * 100 + rank));
  });
}

TEST(NcclGroup, SeveralMessagesWithOnePeerPairInOrder) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    int out[3] = {1, 2, 3}, in[3] = {};
    ASSERT_NCCL(ncclGroupStart());
    for (int i = 0; i < 3; ++i) {
      EXPECT_NCCL(ncclRecv(&in[i], 1, ncclInt, 1 - rank, comm, nullptr));
    }
    for (int i = 0; i < 3; ++i) EXPECT_NCCL(ncclSend(&out[i], 1, ncclInt, 1 - rank, comm, nullptr));
    ASSERT_NCCL(ncclGroupEnd());
    EXPECT_EQ(in[0] * 100 + in[1] * 10 + in[2], 123);
  });
}

TEST(NcclGroup, CollectivesAndMessagesOnSeveralCommunicators) {
  const ncclUniqueId first = new_id(), second = new_id();
  on_threads(2, [&](int rank) {
    ncclComm_t a = nullptr, b = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&a, 2, first, rank));
    ASSERT_NCCL(ncclCommInitRank(&b, 2, second, 1 - rank));
    int sum = rank + 1, root = rank * 7, got = -1;
    ASSERT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclSend(&rank, 1, ncclInt, rank, b, nullptr));  // rank of b is 1 - rank
    EXPECT_NCCL(ncclAllReduce(&sum, &sum, 1, ncclInt, ncclSum, a, nullptr));
    EXPECT_NCCL(ncclBroadcast(&root, &root, 1, ncclInt, 0, b, nullptr));
    EXPECT_NCCL(ncclRecv(&got, 1, ncclInt, rank, b, nullptr));
    ASSERT_NCCL(ncclGroupEnd());
    EXPECT_EQ(sum, 3);
    EXPECT_EQ(root, 7);
    EXPECT_EQ(got, 1 - rank);
    EXPECT_NCCL(ncclCommDestroy(a));
    EXPECT_NCCL(ncclCommDestroy(b));
  });
}

TEST(NcclGroup, NestedGroupsRunAtTheOutermostEnd) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    int got = -1;
    ASSERT_NCCL(ncclGroupStart());
    ASSERT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclSend(&rank, 1, ncclInt, 1 - rank, comm, nullptr));
    ASSERT_NCCL(ncclGroupEnd());
    EXPECT_EQ(got, -1);
    EXPECT_NCCL(ncclRecv(&got, 1, ncclInt, 1 - rank, comm, nullptr));
    ASSERT_NCCL(ncclGroupEnd());
    EXPECT_EQ(got, 1 - rank);
    EXPECT_EQ(ncclGroupEnd(), ncclInvalidUsage);
  });
}

TEST(NcclGroup, AnErrorIsReportedAgainAtTheEndAndNothingRuns) {
  on_ranks(2, [](int, ncclComm_t comm) {
    int value = 1;
    ASSERT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(
        ncclAllReduce(&value, &value, 1, static_cast<ncclDataType_t>(50), ncclSum, comm, nullptr),
        ncclInvalidArgument);
    EXPECT_EQ(ncclGroupEnd(), ncclInvalidArgument);
    EXPECT_EQ(value, 1);
    ASSERT_NCCL(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(value, 2);
  });
}

TEST(NcclGroup, AFailedInitialisationLeavesNull) {
  ncclComm_t comm = nullptr;
  ASSERT_NCCL(ncclGroupStart());
  EXPECT_NCCL(ncclCommInitRank(&comm, 1, ncclUniqueId{}, 0));
  EXPECT_EQ(ncclGroupEnd(), ncclInvalidArgument);
  EXPECT_EQ(comm, nullptr);
  EXPECT_TRUE(says("unique id"));
}

TEST(NcclGroup, SimulationSaysHowLongAndRunsNothing) {
  on_ranks(2, [](int, ncclComm_t comm) {
    std::vector<float> values(1 << 20, 1);
    float estimates[2];
    int i = 0;
    for (const std::size_t count : {std::size_t{1}, values.size()}) {
      ncclSimInfo_t info = NCCL_SIM_INFO_INITIALIZER;
      ASSERT_NCCL(ncclGroupStart());
      EXPECT_NCCL(
          ncclAllReduce(values.data(), values.data(), count, ncclFloat, ncclSum, comm, nullptr));
      ASSERT_NCCL(ncclGroupSimulateEnd(&info));
      estimates[i++] = info.estimatedTime;
    }
    EXPECT_EQ(values[0], 1);
    EXPECT_GT(estimates[0], 0);
    EXPECT_GT(estimates[1], estimates[0] * 10);
    EXPECT_LT(estimates[1], 1e6);
  });
}

TEST(NcclGroup, AMissingPeerIsATimeoutThatNamesIt) {
  // One message without its other half: what NCCL would wait for for ever.
  setenv("SLUICE_TIMEOUT_MS", "2000", 1);
  on_ranks(2, [](int rank, ncclComm_t comm) {
    if (rank == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(3000));
      return;
    }
    std::vector<int> big(1 << 20);
    EXPECT_EQ(ncclSend(big.data(), big.size(), ncclInt, 1, comm, nullptr), ncclTimeout);
    EXPECT_TRUE(says("rank 1", comm));
    ncclResult_t error = ncclSuccess;
    EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
    EXPECT_EQ(error, ncclTimeout);
  });
  unsetenv("SLUICE_TIMEOUT_MS");
}

}  // namespace
}  // namespace sluice::test
