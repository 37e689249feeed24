// Sends and receives of the NCCL door on device memory.
#include <memory>

#include "device_double/nccl/device.hpp"

namespace sluice::test {
namespace {

TEST(NcclMessagesOnDevice, PingAndPong) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> values(50'000);
    values.fill(rank == 0 ? 7 : 0);
    for (int i = 0; i < 3; ++i) {
      if (rank == 0) {
        EXPECT_NCCL(ncclSend(values.data(), values.size(), ncclInt, 1, comm, stream));
        EXPECT_NCCL(ncclRecv(values.data(), values.size(), ncclInt, 1, comm, stream));
      } else {
        EXPECT_NCCL(ncclRecv(values.data(), values.size(), ncclInt, 0, comm, stream));
        EXPECT_NCCL(ncclSend(values.data(), values.size(), ncclInt, 0, comm, stream));
      }
    }
    stream.wait();
    EXPECT_EQ(values.values(), std::vector<int>(50'000, 7));
  });
}

TEST(NcclMessagesOnDevice, AllToAllUnevenWithSelfAndEmpty) {
  constexpr int kRanks = 3;
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    // r sends r + p thousands of elements to p, nothing where r + p is 2.
    const auto count = [](int from, int to) {
      return from + to == 2 ? std::size_t{0} : static_cast<std::size_t>(from + to) * 3000 + 1;
    };
    DeviceStream stream;
    std::vector<std::unique_ptr<DeviceArray<int>>> sent, received;
    for (int peer = 0; peer < kRanks; ++peer) {
      sent.push_back(std::make_unique<DeviceArray<int>>(count(rank, peer)));
      received.push_back(std::make_unique<DeviceArray<int>>(count(peer, rank)));
      sent.back()->fill(rank * 100 + peer);
      received.back()->fill(-1);
    }
    EXPECT_NCCL(ncclGroupStart());
    for (int peer = 0; peer < kRanks; ++peer) {
      const auto p = static_cast<std::size_t>(peer);
      EXPECT_NCCL(ncclSend(sent[p]->data(), sent[p]->size(), ncclInt, peer, comm, stream));
      EXPECT_NCCL(ncclRecv(received[p]->data(), received[p]->size(), ncclInt, peer, comm, stream));
    }
    EXPECT_NCCL(ncclGroupEnd());
    stream.wait();
    for (int peer = 0; peer < kRanks; ++peer)
      EXPECT_EQ(received[static_cast<std::size_t>(peer)]->values(),
                std::vector<int>(count(peer, rank), peer * 100 + rank));
  });
}

TEST(NcclMessagesOnDevice, OfOneGroupOnSeveralStreams) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream one, other;
    DeviceArray<int> out(1000), in(1000);
    const std::vector<int> values(1000, rank + 1);
    in.fill(-1);
    // What the second stream does before belongs before, what it does after, after.
    ASSERT_TRUE(device::copy_on(other.get(), out.data(), values.data(), 4000).ok());
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclRecv(in.data(), 1000, ncclInt, 1 - rank, comm, one));
    EXPECT_NCCL(ncclSend(out.data(), 1000, ncclInt, 1 - rank, comm, other));
    EXPECT_NCCL(ncclGroupEnd());
    std::vector<int> seen(1000);
    ASSERT_TRUE(device::copy_on(other.get(), seen.data(), in.data(), 4000).ok());
    other.wait();
    one.wait();
    EXPECT_EQ(seen, std::vector<int>(1000, 2 - rank));
  });
}

TEST(NcclMessagesOnDevice, AreCapturedAndComeBehindCollectives) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> sum(500), in(500);
    ASSERT_TRUE(device::Graph::begin(stream.get()).ok());
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclSend(sum.data(), 500, ncclInt, 1 - rank, comm, stream));
    EXPECT_NCCL(ncclRecv(in.data(), 500, ncclInt, 1 - rank, comm, stream));
    EXPECT_NCCL(ncclAllReduce(sum.data(), sum.data(), 500, ncclInt, ncclSum, comm, stream));
    EXPECT_NCCL(ncclGroupEnd());
    const auto graph = device::Graph::end(stream.get());
    ASSERT_TRUE(graph.ok());
    for (int i = 0; i < 5; ++i) {
      sum.fill(rank + i);
      ASSERT_TRUE(graph.value().launch(stream.get()).ok());
      stream.wait();
      ASSERT_EQ(in.values(), std::vector<int>(500, 1 + 2 * i));
    }
  });
}

TEST(NcclMessagesOnDevice, OneThreadDrivesAllRanksOnOneStream) {
  const AllHere ranks(3);
  DeviceStream stream;
  DeviceArray<int> out(3), in(3);
  for (int rank = 0; rank < 3; ++rank) out[static_cast<std::size_t>(rank)] = rank;
  EXPECT_NCCL(ncclGroupStart());
  for (int rank = 0; rank < 3; ++rank) {
    EXPECT_NCCL(ncclSend(out.data() + rank, 1, ncclInt, (rank + 1) % 3, ranks[rank], stream));
    EXPECT_NCCL(ncclRecv(in.data() + rank, 1, ncclInt, (rank + 2) % 3, ranks[rank], stream));
  }
  EXPECT_NCCL(ncclGroupEnd());
  stream.wait();
  EXPECT_EQ(in.values(), (std::vector<int>{2, 0, 1}));
}

TEST(NcclMessagesOnDevice, OneThatNobodySendsIsAnErrorAtTheDeadline) {
  const Variable timeout("SLUICE_TIMEOUT_MS", "8000");
  const ncclUniqueId id = new_id();
  on_threads(2, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRank(&comm, 2, id, rank));
    if (rank == 0) {
      DeviceStream stream;
      DeviceArray<int> in(10);
      EXPECT_NCCL(ncclRecv(in.data(), 10, ncclInt, 1, comm, stream));
      stream.wait();
    }
    ncclResult_t error = ncclSuccess;
    while (error == ncclSuccess) {
      EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(error, ncclTimeout);
    EXPECT_NCCL(ncclCommAbort(comm));
  });
}

TEST(NcclMessagesOnDevice, GoBetweenHostsAmongCollectives) {
  constexpr std::size_t kCount = 5000;
  const Variable transport("SLUICE_TRANSPORT", "tcp");
  on_ranks(2, [](int rank, ncclComm_t comm) {
    int value = 1;
    EXPECT_NCCL(ncclAllReduce(&value, &value, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(value, 2);
    DeviceStream stream;
    DeviceArray<int> values(kCount);
    values.fill(rank);
    EXPECT_NCCL(
        ncclAllReduce(values.data(), values.data(), kCount, ncclInt, ncclSum, comm, stream));
    stream.wait();
    EXPECT_EQ(values.values(), std::vector<int>(kCount, 1));
    DeviceArray<int> received(kCount);
    values.fill(10 + rank);
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclSend(values.data(), kCount, ncclInt, 1 - rank, comm, stream));
    EXPECT_NCCL(ncclRecv(received.data(), kCount, ncclInt, 1 - rank, comm, stream));
    EXPECT_NCCL(ncclGroupEnd());
    stream.wait();
    EXPECT_EQ(received.values(), std::vector<int>(kCount, 11 - rank));
  });
}

}  // namespace
}  // namespace sluice::test
