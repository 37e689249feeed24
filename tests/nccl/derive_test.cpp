// Communicators made of others.
#include "nccl/door.hpp"

namespace sluice::test {
namespace {

int sum_of(ncclComm_t comm, int mine) {
  int sum = 0;
  EXPECT_NCCL(ncclAllReduce(&mine, &sum, 1, ncclInt, ncclSum, comm, nullptr));
  return sum;
}

TEST(NcclDerive, SplitByColourAndKey) {
  on_ranks(4, [](int rank, ncclComm_t comm) {
    ncclComm_t child = nullptr;
    const int color = rank == 3 ? NCCL_SPLIT_NOCOLOR : 5;
    ASSERT_NCCL(ncclCommSplit(comm, color, 10 - rank, &child, nullptr));
    if (rank == 3) {
      EXPECT_EQ(child, nullptr);
    } else {
      int own = -1;
      EXPECT_NCCL(ncclCommUserRank(child, &own));
      EXPECT_EQ(own, 2 - rank);
      EXPECT_EQ(sum_of(child, 1 << rank), 7);
      EXPECT_NCCL(ncclCommDestroy(child));
    }
    EXPECT_EQ(ncclCommSplit(comm, -7, 0, &child, nullptr), ncclInvalidArgument);
    EXPECT_EQ(sum_of(comm, 1), 4);
  });
}

TEST(NcclDerive, SplitsOfSeveralRanksInOneThread) {
  const AllHere ranks(4);
  ncclComm_t children[4] = {};
  ASSERT_NCCL(ncclGroupStart());
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_NCCL(ncclCommSplit(ranks[rank], rank / 2, rank, &children[rank], nullptr));
  ASSERT_NCCL(ncclGroupEnd());
  int values[4] = {1, 2, 3, 4};
  ASSERT_NCCL(ncclGroupStart());
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_NCCL(
        ncclAllReduce(&values[rank], &values[rank], 1, ncclInt, ncclSum, children[rank], nullptr));
  ASSERT_NCCL(ncclGroupEnd());
  EXPECT_EQ(values[1], 3);
  EXPECT_EQ(values[2], 7);
  for (ncclComm_t comm : children) EXPECT_NCCL(ncclCommDestroy(comm));
}

TEST(NcclDerive, ShrinkWithoutSomeRanksTwice) {
  on_ranks(4, [](int rank, ncclComm_t comm) {
    for (const int left_out : {0, 2}) {
      if (rank == left_out) continue;
      int excluded[] = {left_out};
      ncclComm_t smaller = nullptr;
      ASSERT_NCCL(ncclCommShrink(comm, excluded, 1, &smaller, nullptr, NCCL_SHRINK_DEFAULT));
      int own = -1;
      EXPECT_NCCL(ncclCommUserRank(smaller, &own));
      EXPECT_EQ(own, rank > left_out ? rank - 1 : rank);
      EXPECT_EQ(sum_of(smaller, 1), 3);
      EXPECT_NCCL(ncclCommDestroy(smaller));
    }
    EXPECT_EQ(sum_of(comm, 1), 4);
  });
}

TEST(NcclDerive, ShrinkAfterARankHasAborted) {
  const ncclUniqueId id = new_id();
  on_threads(3, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 3, id, rank));
    if (rank == 0) {
      EXPECT_NCCL(ncclCommAbort(comm));
      return;
    }
    int value = 1;
    EXPECT_EQ(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, comm, nullptr), ncclRemoteError);
    int excluded[] = {0};
    ncclComm_t smaller = nullptr;
    ASSERT_NCCL(ncclCommShrink(comm, excluded, 1, &smaller, nullptr, NCCL_SHRINK_ABORT));
    EXPECT_EQ(sum_of(smaller, rank), 3);
    EXPECT_NCCL(ncclCommAbort(comm));
    EXPECT_NCCL(ncclCommDestroy(smaller));
  });
}

TEST(NcclDerive, ShrinkRefusesOddLists) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    ncclComm_t smaller = nullptr;
    int own[] = {rank}, beyond[] = {2};
    EXPECT_EQ(ncclCommShrink(comm, own, 1, &smaller, nullptr, 0), ncclInvalidArgument);
    EXPECT_TRUE(says("excludes itself", comm));
    EXPECT_EQ(ncclCommShrink(comm, beyond, 1, &smaller, nullptr, 0), ncclInvalidArgument);
    EXPECT_EQ(ncclCommShrink(comm, nullptr, 0, &smaller, nullptr, 0), ncclInvalidArgument);
    EXPECT_EQ(ncclCommShrink(comm, own, 1, &smaller, nullptr, 8), ncclInvalidArgument);
    EXPECT_EQ(smaller, nullptr);
  });
}

TEST(NcclDerive, GrowByNewRanks) {
  const ncclUniqueId id = new_id();
  std::vector<ncclUniqueId> growing(1);
  std::vector<std::thread> newcomers;
  on_threads(2, [&](int rank) {
    ncclComm_t comm = nullptr, larger = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 2, id, rank));
    if (rank == 1) {
      ASSERT_NCCL(ncclCommGetUniqueId(comm, &growing[0]));
      ncclUniqueId another{};
      EXPECT_EQ(ncclCommGetUniqueId(comm, &another), ncclInvalidUsage);
      for (const int fresh : {2, 3})
        newcomers.emplace_back([&, fresh] {
          ncclComm_t joined = nullptr;
          ASSERT_NCCL(ncclCommGrow(nullptr, 4, &growing[0], fresh, &joined, nullptr));
          EXPECT_EQ(sum_of(joined, fresh), 6);
          EXPECT_NCCL(ncclCommDestroy(joined));
        });
    }
    EXPECT_EQ(ncclCommGrow(comm, 2, nullptr, -1, &larger, nullptr), ncclInvalidArgument);
    EXPECT_EQ(ncclCommGrow(comm, 4, nullptr, rank, &larger, nullptr), ncclInvalidArgument);
    const ncclUniqueId* given = rank == 1 ? growing.data() : nullptr;
    ASSERT_NCCL(ncclCommGrow(comm, 4, given, -1, &larger, nullptr));
    EXPECT_EQ(sum_of(larger, rank), 6);
    EXPECT_NCCL(ncclCommDestroy(larger));
    EXPECT_NCCL(ncclCommDestroy(comm));
  });
  for (std::thread& newcomer : newcomers) newcomer.join();
}

TEST(NcclDerive, GrowingNeedsOneId) {
  on_ranks(2, [](int, ncclComm_t comm) {
    ncclComm_t larger = nullptr;
    EXPECT_EQ(ncclCommGrow(comm, 3, nullptr, -1, &larger, nullptr), ncclInvalidUsage);
    EXPECT_TRUE(says("0 ranks passed a unique id", comm));
    EXPECT_EQ(ncclCommGrow(nullptr, 3, nullptr, 2, &larger, nullptr), ncclInvalidArgument);
  });
}

}  // namespace
}  // namespace sluice::test
