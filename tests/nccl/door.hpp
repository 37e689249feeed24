// Ranks that call NCCL's C interface: as threads, or all of them in one thread.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "nccl.h"

namespace sluice::test {

/// An assertion on a call: what the library has to say is part of the message.
inline ::testing::AssertionResult succeeds(ncclResult_t result) {
  if (result == ncclSuccess) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << result << ": " << ncclGetLastError(nullptr);
}
#define EXPECT_NCCL(call) EXPECT_TRUE(::sluice::test::succeeds(call))
#define ASSERT_NCCL(call) ASSERT_TRUE(::sluice::test::succeeds(call))

/// The last error's sentence has `part` in it.
inline bool says(const std::string& part, ncclComm_t comm = nullptr) {
  return std::string(ncclGetLastError(comm)).find(part) != std::string::npos;
}

inline ncclUniqueId new_id() {
  ncclUniqueId id{};
  EXPECT_NCCL(ncclGetUniqueId(&id));
  return id;
}

/// Runs `body` as each of `size` ranks, each in a thread of its own.
inline void on_threads(int size, const std::function<void(int rank)>& body) {
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) threads.emplace_back([&, rank] { body(rank); });
  for (std::thread& thread : threads) thread.join();
}

/// The same with a communicator of all of them, destroyed afterwards.
inline void on_ranks(int size, const std::function<void(int rank, ncclComm_t comm)>& body,
                     ncclConfig_t* config = nullptr) {
  const ncclUniqueId id = new_id();
  on_threads(size, [&](int rank) {
    ncclComm_t comm = nullptr;
    ASSERT_NCCL(ncclCommInitRankConfig(&comm, size, id, rank, config));
    body(rank, comm);
    EXPECT_NCCL(ncclCommDestroy(comm));
  });
}

/// All ranks of a communicator in this thread.
class AllHere {
 public:
  explicit AllHere(int size) : comms_(static_cast<std::size_t>(size)) {
    EXPECT_NCCL(ncclCommInitAll(comms_.data(), size, nullptr));
  }
  ~AllHere() {
    for (ncclComm_t comm : comms_) EXPECT_NCCL(ncclCommDestroy(comm));
  }
  int size() const { return static_cast<int>(comms_.size()); }
  ncclComm_t operator[](int rank) const { return comms_[static_cast<std::size_t>(rank)]; }

 private:
  std::vector<ncclComm_t> comms_;
};

/// Waits until a non-blocking communicator is done with what it does; its result then.
inline ncclResult_t settled(ncclComm_t comm) {
  ncclResult_t result = ncclInProgress;
  while (result == ncclInProgress) {
    EXPECT_EQ(ncclCommGetAsyncError(comm, &result), ncclSuccess);
    std::this_thread::yield();
  }
  return result;
}

}  // namespace sluice::test
