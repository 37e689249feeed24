// Collectives of the NCCL door on device memory: what is enqueued, what comes out, what is refused.
#include <algorithm>
#include <atomic>

#include "device_double/nccl/device.hpp"
#include "device_double/queue.hpp"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr int kRanks = 3;
constexpr std::size_t kCount = 700;

std::vector<int> block(int value) { return std::vector<int>(kCount, value); }

TEST(NcclOnDevice, ACallIsEnqueuedAndReturns) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<float> in(1000), out(1000);
    in.fill(static_cast<float>(rank + 1));
    // Rank 1 comes late: rank 0's call returns nevertheless.
    if (rank == 1) std::this_thread::sleep_for(milliseconds(400));
    const auto begin = Clock::now();
    EXPECT_NCCL(ncclAllReduce(in.data(), out.data(), 1000, ncclFloat, ncclSum, comm, stream));
    if (rank == 0) {
      EXPECT_LT(Clock::now() - begin, milliseconds(300));
    }
    stream.wait();
    EXPECT_EQ(out.values(), std::vector<float>(1000, 3));
  });
}

TEST(NcclOnDevice, EveryCollectiveOfOneBlock) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> in(kCount), sum(kCount), sent(kCount), reduced(kCount);
    in.fill(rank + 1);
    reduced.fill(-1);
    EXPECT_NCCL(ncclAllReduce(in.data(), sum.data(), kCount, ncclInt, ncclSum, comm, stream));
    EXPECT_NCCL(ncclBroadcast(in.data(), sent.data(), kCount, ncclInt, 2, comm, stream));
    // Buffers that a rank does not use may be anything.
    int on_host = 0;
    EXPECT_NCCL(ncclReduce(in.data(), rank == 1 ? reduced.data() : &on_host, kCount, ncclInt,
                           ncclMax, 1, comm, stream));
    stream.wait();
    EXPECT_EQ(sum.values(), block(6));
    EXPECT_EQ(sent.values(), block(3));
    EXPECT_EQ(reduced.values(), block(rank == 1 ? 3 : -1));
    DeviceArray<int> own(kCount);
    own.fill(rank);
    EXPECT_NCCL(ncclBcast(own.data(), kCount, ncclInt, 2, comm, stream));
    stream.wait();
    EXPECT_EQ(own.values(), block(2));
  });
}

TEST(NcclOnDevice, EveryCollectiveOfManyBlocks) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    const auto is = [&](const DeviceArray<int>& all, auto value_of) {
      for (int r = 0; r < kRanks; ++r)
        for (std::size_t i = 0; i < kCount; ++i)
          if (all.data()[static_cast<std::size_t>(r) * kCount + i] != value_of(r)) return false;
      return true;
    };
    DeviceArray<int> in(kRanks * kCount), out(kRanks * kCount), one(kCount);
    for (int r = 0; r < kRanks; ++r)
      std::fill_n(in.data() + static_cast<std::size_t>(r) * kCount, kCount, 10 * rank + r);
    EXPECT_NCCL(ncclAlltoAll(in.data(), out.data(), kCount, ncclInt, comm, stream));
    stream.wait();
    EXPECT_TRUE(is(out, [&](int r) { return 10 * r + rank; }));
    EXPECT_NCCL(ncclReduceScatter(in.data(), one.data(), kCount, ncclInt, ncclSum, comm, stream));
    stream.wait();
    EXPECT_EQ(one.values(), block(30 + 3 * rank));
    EXPECT_NCCL(ncclAllGather(one.data(), out.data(), kCount, ncclInt, comm, stream));
    stream.wait();
    EXPECT_TRUE(is(out, [](int r) { return 30 + 3 * r; }));
    EXPECT_NCCL(ncclScatter(in.data(), one.data(), kCount, ncclInt, 1, comm, stream));
    stream.wait();
    EXPECT_EQ(one.values(), block(10 + rank));
    one.fill(rank);
    EXPECT_NCCL(
        ncclGather(one.data(), rank == 2 ? out.data() : nullptr, kCount, ncclInt, 2, comm, stream));
    stream.wait();
    if (rank == 2) {
      EXPECT_TRUE(is(out, [](int r) { return r; }));
    }
  });
}

TEST(NcclOnDevice, AFactorIsTheHostsNowOrTheDevicesLater) {
  on_ranks(2, [](int, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<float> in(kCount), out(kCount), scalar(1);
    in.fill(2);
    scalar.fill(0);
    float on_host = 3;
    ncclRedOp_t now, later;
    EXPECT_NCCL(ncclRedOpCreatePreMulSum(&now, &on_host, ncclFloat, ncclScalarHostImmediate, comm));
    EXPECT_NCCL(ncclRedOpCreatePreMulSum(&later, scalar.data(), ncclFloat, ncclScalarDevice, comm));
    on_host = 0;
    EXPECT_NCCL(ncclAllReduce(in.data(), out.data(), kCount, ncclFloat, now, comm, stream));
    stream.wait();
    EXPECT_EQ(out.values(), std::vector<float>(kCount, 12));
    // What the stream does before the call is what the call sees.
    const float five = 5;
    ASSERT_TRUE(device::copy_on(stream.get(), scalar.data(), &five, sizeof five).ok());
    EXPECT_NCCL(ncclAllReduce(in.data(), out.data(), kCount, ncclFloat, later, comm, stream));
    stream.wait();
    EXPECT_EQ(out.values(), std::vector<float>(kCount, 20));
    float host[1] = {1};
    EXPECT_EQ(ncclAllReduce(host, host, 1, ncclFloat, later, comm, nullptr), ncclInvalidUsage);
    EXPECT_TRUE(says("ncclScalarDevice", comm));
    EXPECT_EQ(ncclRedOpCreatePreMulSum(&now, &on_host, ncclFloat, ncclScalarDevice, comm),
              ncclInvalidArgument);
    EXPECT_NCCL(ncclRedOpDestroy(later, comm));
  });
}

TEST(NcclOnDevice, AFactorOfEveryType) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    struct {
      ncclDataType_t type;
      std::size_t bytes;
      std::uint64_t one, two;  // as the type writes them
    } const types[] = {{ncclInt8, 1, 1, 2},
                       {ncclUint8, 1, 1, 2},
                       {ncclInt32, 4, 1, 2},
                       {ncclUint32, 4, 1, 2},
                       {ncclInt64, 8, 1, 2},
                       {ncclUint64, 8, 1, 2},
                       {ncclFloat16, 2, 0x3c00, 0x4000},
                       {ncclFloat32, 4, 0x3f800000, 0x40000000},
                       {ncclFloat64, 8, 0x3ff0000000000000, 0x4000000000000000},
                       {ncclBfloat16, 2, 0x3f80, 0x4000},
                       {ncclFloat8e4m3, 1, 0x38, 0x40},
                       {ncclFloat8e5m2, 1, 0x3c, 0x40}};
    // 1 times 1 on one rank, 0.5 times 2 or 0 times anything on the other would do as well: here
    // both have 1, the factors are 2 and 0.
    for (const auto& each : types) {
      DeviceArray<std::uint64_t> in(1), out(1), scalar(1);
      in[0] = each.one;
      out[0] = 0;
      scalar[0] = rank == 0 ? each.two : 0;
      ncclRedOp_t op;
      ASSERT_NCCL(ncclRedOpCreatePreMulSum(&op, scalar.data(), each.type, ncclScalarDevice, comm));
      EXPECT_NCCL(ncclAllReduce(in.data(), out.data(), 1, each.type, op, comm, stream));
      stream.wait();
      EXPECT_EQ(std::memcmp(out.data(), &each.two, each.bytes), 0) << "type " << each.type;
      EXPECT_NCCL(ncclRedOpDestroy(op, comm));
    }
  });
}

TEST(NcclOnDevice, BuffersOfBothKindsAreRefused) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> on_device(4);
    int on_host[4] = {};
    EXPECT_EQ(ncclAllReduce(on_device.data(), on_host, 4, ncclInt, ncclSum, comm, stream),
              ncclInvalidUsage);
    EXPECT_TRUE(says("one buffer is memory of a GPU, the other of the host", comm));
    EXPECT_EQ(ncclAllReduce(on_host, on_device.data(), 4, ncclInt, ncclSum, comm, nullptr),
              ncclInvalidUsage);
    EXPECT_EQ(ncclAllReduce(on_host, on_host, 4, ncclInt, ncclSum, comm, stream), ncclInvalidUsage);
    EXPECT_TRUE(says("is not null, and the buffers are host memory", comm));
    // Nothing was sent: the communicator goes on, on either side.
    int one = 1, sum = 0;
    EXPECT_NCCL(ncclAllReduce(&one, &sum, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(sum, 2);
    on_device.fill(rank);
    EXPECT_NCCL(
        ncclAllReduce(on_device.data(), on_device.data(), 4, ncclInt, ncclSum, comm, stream));
    stream.wait();
    EXPECT_EQ(on_device.values(), std::vector<int>(4, 1));
  });
}

TEST(NcclOnDevice, PinnedMemoryServesAsEither) {
  on_ranks(2, [](int, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> out(8);
    const auto pinned = device::allocate_pinned(8 * sizeof(int));
    ASSERT_TRUE(pinned.ok());
    int* const in = static_cast<int*>(pinned.value());
    std::fill_n(in, 8, 4);
    EXPECT_NCCL(ncclAllReduce(in, out.data(), 8, ncclInt, ncclSum, comm, stream));
    stream.wait();
    EXPECT_EQ(out.values(), std::vector<int>(8, 8));
    int host[8] = {};
    EXPECT_NCCL(ncclAllReduce(in, host, 8, ncclInt, ncclSum, comm, nullptr));
    EXPECT_EQ(host[7], 8);
    EXPECT_NCCL(ncclAllReduce(in, in, 8, ncclInt, ncclSum, comm, stream));
    stream.wait();
    EXPECT_EQ(in[0], 8);
    EXPECT_TRUE(device::release_pinned(in).ok());
  });
}

TEST(NcclOnDevice, NothingIsDoneOfNoElements) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    // One rank alone: nobody waits for anybody.
    if (rank == 0) {
      EXPECT_NCCL(ncclAllReduce(nullptr, nullptr, 0, ncclFloat, ncclSum, comm, stream));
      EXPECT_NCCL(ncclSend(nullptr, 0, ncclFloat, 1, comm, stream));
      EXPECT_EQ(ncclBroadcast(nullptr, nullptr, 0, ncclFloat, 2, comm, stream),
                ncclInvalidArgument);
      EXPECT_TRUE(says("root or peer 2, expected 0 to 1", comm));
      EXPECT_EQ(ncclAllReduce(nullptr, nullptr, 0, static_cast<ncclDataType_t>(40), ncclSum, comm,
                              stream),
                ncclInvalidArgument);
    }
    stream.wait();
  });
}

TEST(NcclOnDevice, ArgumentErrorsAreOfTheCallAlone) {
  on_ranks(2, [](int, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> in(4), out(4);
    EXPECT_EQ(ncclAllReduce(in.data(), nullptr, 4, ncclInt, ncclSum, comm, stream),
              ncclInvalidArgument);
    EXPECT_EQ(ncclBroadcast(in.data(), out.data(), 4, ncclInt, 7, comm, stream),
              ncclInvalidArgument);
    EXPECT_EQ(ncclAllReduce(in.data(), in.data() + 1, 3, ncclInt, ncclSum, comm, stream),
              ncclInvalidArgument);
    ncclResult_t error = ncclInternalError;
    EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
    EXPECT_EQ(error, ncclSuccess);
    in.fill(1);
    EXPECT_NCCL(ncclAllReduce(in.data(), out.data(), 4, ncclInt, ncclSum, comm, stream));
    stream.wait();
    EXPECT_EQ(out[3], 2);
  });
}

TEST(NcclOnDevice, CallsOnTwoStreamsRunInTheirOrder) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream slow, quick;
    DeviceArray<int> a(kCount), b(kCount);
    const std::vector<int> ones(kCount, 1);
    a.fill(0);
    b.fill(rank + 1);
    // The first call's stream is held up on one rank. Did the second one overtake it, the ranks'
    // calls would not match.
    std::atomic<bool> go = rank == 0;
    static_cast<Queue*>(slow.get().handle)->add([&] {
      while (!go) std::this_thread::yield();
    });
    ASSERT_TRUE(device::copy_on(slow.get(), a.data(), ones.data(), kCount * sizeof(int)).ok());
    EXPECT_NCCL(ncclAllReduce(a.data(), a.data(), kCount, ncclInt, ncclSum, comm, slow));
    EXPECT_NCCL(ncclAllReduce(b.data(), b.data(), kCount, ncclInt, ncclMax, comm, quick));
    std::this_thread::sleep_for(milliseconds(50));
    go = true;
    quick.wait();
    slow.wait();
    EXPECT_EQ(a.values(), block(2));
    EXPECT_EQ(b.values(), block(2));
    ncclResult_t error = ncclInternalError;
    EXPECT_NCCL(ncclCommGetAsyncError(comm, &error));
    EXPECT_EQ(error, ncclSuccess);
  });
}

TEST(NcclOnDevice, AStreamMayEndBeforeTheNextCall) {
  on_ranks(2, [](int, ncclComm_t comm) {
    DeviceArray<int> a(kCount);
    a.fill(1);
    for (int i = 0; i < 5; ++i) {
      DeviceStream stream;
      EXPECT_NCCL(ncclAllReduce(a.data(), a.data(), kCount, ncclInt, ncclSum, comm, stream));
      stream.wait();
    }
    EXPECT_EQ(a.values(), block(32));
  });
}

TEST(NcclOnDevice, CommunicatorsOnStreamsOfTheirOwn) {
  const ncclUniqueId first = new_id(), second = new_id();
  on_threads(2, [&](int rank) {
    ncclComm_t one, two;
    ASSERT_NCCL(ncclCommInitRank(&one, 2, first, rank));
    ASSERT_NCCL(ncclCommInitRank(&two, 2, second, rank));
    DeviceStream of_one, of_two;
    DeviceArray<int> a(kCount), b(kCount);
    for (int i = 0; i < 20; ++i) {
      a.fill(i);
      b.fill(-i);
      // In another order on each rank.
      const auto call_one = [&] {
        EXPECT_NCCL(ncclAllReduce(a.data(), a.data(), kCount, ncclInt, ncclSum, one, of_one));
      };
      if (rank == 0) call_one();
      EXPECT_NCCL(ncclAllReduce(b.data(), b.data(), kCount, ncclInt, ncclSum, two, of_two));
      if (rank == 1) call_one();
      of_one.wait();
      of_two.wait();
      ASSERT_EQ(a.values(), block(2 * i));
      ASSERT_EQ(b.values(), block(-2 * i));
    }
    EXPECT_NCCL(ncclCommDestroy(one));
    EXPECT_NCCL(ncclCommDestroy(two));
  });
}

TEST(NcclOnDevice, ACapturedCallRunsAtEveryLaunch) {
  on_ranks(kRanks, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> in(kCount), out(kCount);
    EXPECT_NCCL(ncclAllReduce(in.data(), out.data(), kCount, ncclInt, ncclSum, comm, stream));
    stream.wait();
    ASSERT_TRUE(device::Graph::begin(stream.get()).ok());
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclAllReduce(in.data(), out.data(), kCount, ncclInt, ncclSum, comm, stream));
    EXPECT_NCCL(ncclBroadcast(out.data(), in.data(), kCount, ncclInt, 0, comm, stream));
    EXPECT_NCCL(ncclGroupEnd());
    const auto graph = device::Graph::end(stream.get());
    ASSERT_TRUE(graph.ok());
    for (int i = 0; i < 10; ++i) {
      in.fill(rank + i);
      ASSERT_TRUE(graph.value().launch(stream.get()).ok());
      // Not captured, between launches.
      EXPECT_NCCL(ncclAllReduce(in.data(), in.data(), kCount, ncclInt, ncclMax, comm, stream));
      stream.wait();
      ASSERT_EQ(out.values(), block(3 + 3 * i));
      ASSERT_EQ(in.values(), block(3 + 3 * i));
    }
  });
}

TEST(NcclOnDevice, OneThreadDrivesAllRanksOnOneStream) {
  const AllHere ranks(kRanks);
  DeviceArray<int> values(kRanks * kCount);
  DeviceStream own;
  for (const cudaStream_t stream : {cudaStream_t{}, cudaStream_t{own}}) {
    for (int round = 0; round < 3; ++round) {
      values.fill(1);
      EXPECT_NCCL(ncclGroupStart());
      for (int rank = 0; rank < kRanks; ++rank) {
        int* const mine = values.data() + static_cast<std::size_t>(rank) * kCount;
        EXPECT_NCCL(ncclAllReduce(mine, mine, kCount, ncclInt, ncclSum, ranks[rank], stream));
      }
      EXPECT_NCCL(ncclGroupEnd());
      // What comes next on the stream comes after all of them.
      std::vector<int> seen(values.size());
      ASSERT_TRUE(
          device::copy_on({stream}, seen.data(), values.data(), seen.size() * sizeof(int)).ok());
      const auto event = device::Event::create();
      ASSERT_TRUE(event.value().record({stream}).ok());
      ASSERT_TRUE(event.value().wait().ok());
      EXPECT_EQ(seen, std::vector<int>(kRanks * kCount, kRanks));
    }
  }
}

TEST(NcclOnDevice, AGroupMayBeOnBothSides) {
  on_ranks(2, [](int rank, ncclComm_t comm) {
    DeviceStream stream;
    DeviceArray<int> on_device(kCount);
    on_device.fill(rank);
    int on_host = rank;
    EXPECT_NCCL(ncclGroupStart());
    EXPECT_NCCL(ncclAllReduce(&on_host, &on_host, 1, ncclInt, ncclSum, comm, nullptr));
    EXPECT_NCCL(
        ncclAllReduce(on_device.data(), on_device.data(), kCount, ncclInt, ncclSum, comm, stream));
    EXPECT_NCCL(ncclGroupEnd());
    EXPECT_EQ(on_host, 1);
    stream.wait();
    EXPECT_EQ(on_device.values(), block(1));
  });
}

}  // namespace
}  // namespace sluice::test
