// Windows of the double's memory, for tests that call NCCL's interface.
#pragma once

#include "device_double/nccl/device.hpp"

namespace sluice::test {

/// Device memory of a rank and the window on it.
class WindowOf {
 public:
  WindowOf(ncclComm_t comm, std::size_t ints, int flags = NCCL_WIN_DEFAULT)
      : comm_(comm), memory_(ints) {
    memory_.fill(-1);
    EXPECT_NCCL(ncclCommWindowRegister(comm, memory_.data(), ints * sizeof(int), &window_, flags));
  }
  ~WindowOf() { EXPECT_NCCL(ncclCommWindowDeregister(comm_, window_)); }
  WindowOf(const WindowOf&) = delete;
  WindowOf& operator=(const WindowOf&) = delete;
  operator ncclWindow_t() const { return window_; }
  DeviceArray<int>& memory() { return memory_; }

 private:
  ncclComm_t comm_;
  DeviceArray<int> memory_;
  ncclWindow_t window_ = nullptr;
};

inline ncclResult_t wait_for(int count, int peer, ncclComm_t comm, cudaStream_t stream,
                             int index = 0, int context = 0) {
  ncclWaitSignalDesc_t wanted{count, peer, index, context};
  return ncclWaitSignal(1, &wanted, comm, stream);
}

/// All ranks have come here, and what they have enqueued is done.
inline void meet(ncclComm_t comm, const DeviceStream& stream) {
  stream.wait();
  int nothing = 0;
  EXPECT_NCCL(ncclAllReduce(&nothing, &nothing, 1, ncclInt, ncclSum, comm, nullptr));
}

}  // namespace sluice::test
