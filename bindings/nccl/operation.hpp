// One call that moves data: what NCCL's collectives, messages and one-sided calls have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/nccl.h"
#include "sluice/communicator.hpp"

namespace sluice::nccl {

struct Operation {
  enum class Kind : std::uint8_t {
    kAllReduce,
    kBroadcast,
    kReduce,
    kAllGather,
    kReduceScatter,
    kAllToAll,
    kGather,
    kScatter,
    kSend,
    kReceive,
    kPutSignal,
    kSignal,
    kWaitSignal,
  };

  Kind kind;
  const void* input = nullptr;
  void* output = nullptr;
  std::size_t count = 0;
  ncclDataType_t type = ncclUint8;
  ncclRedOp_t op = ncclSum;
  int peer = 0;  // or the root
  cudaStream_t stream = nullptr;

  // Of one-sided calls.
  ncclWindow_t window = nullptr;
  std::size_t offset = 0;  // bytes
  int context = 0, signal = 0;
  unsigned times = 0;  // kWaitSignal

  // Once the call has been looked at.
  Reduction reduction = ReduceOp::kSum;  // what `op` means
  enum class Route : std::uint8_t {
    kHost,     // at once, on host memory
    kStream,   // on `stream`, on memory of the communicator's GPU
    kNowhere,  // there is nothing to move
  } route = Route::kHost;

  DataType data_type() const { return static_cast<DataType>(type); }
  bool is_message() const { return kind == Kind::kSend || kind == Kind::kReceive; }
  bool is_one_sided() const { return kind >= Kind::kPutSignal; }
  /// Of a message.
  Communicator::Transfer transfer() const;
};

/// The one way in: looks at the call, then runs it (on a stream: enqueues it), or keeps it for the
/// end of the group, or hands it to the worker of a non-blocking communicator.
ncclResult_t issue(ncclComm_t comm, Operation&& operation);

/// Runs operations of one communicator that were called together: puts and signals, then
/// collectives in their order, then all messages at once, then the waits for signals. They have
/// been looked at.
Status run_together(ncclComm& comm, const std::vector<Operation>& operations);

/// Runs one that has been looked at.
Status run(ncclComm& comm, const Operation& operation);

}  // namespace sluice::nccl
