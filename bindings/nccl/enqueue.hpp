// Operations on device memory: enqueued on their streams, in the caller's thread.
#pragma once

#include <vector>

#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/operation.hpp"

namespace sluice::nccl {

/// Enqueues operations of one communicator that were called together: puts and signals, collectives
/// in their order, all messages at once, waits for signals. They have been looked at, and are to
/// run on streams. `diversion`: the stream that they run on instead of their own; null: none.
Status enqueue(ncclComm& comm, const std::vector<Operation>& operations,
               const device::OwnStream* diversion = nullptr);

/// Keeps the streams of a group's operations apart. Ranks wait for each other, so the operations of
/// two of them, if they were one behind the other on the same stream, would wait for ever; those of
/// all but the first are diverted to a stream of the communicator's own and back.
class Diversions {
 public:
  /// One communicator's operations. Before any of the group is enqueued.
  Status add(ncclComm& comm, const std::vector<Operation>& operations);
  /// The stream that its operations are to run on instead of their own; null: none.
  const device::OwnStream* of(const ncclComm& comm) const;
  /// After all are enqueued: the callers' streams wait for them.
  Status close();

 private:
  struct Way {
    ncclComm* comm;
    std::vector<Stream> back;
  };
  std::vector<std::pair<int, void*>> taken_;  // device, stream
  std::vector<Way> ways_;
};

}  // namespace sluice::nccl
