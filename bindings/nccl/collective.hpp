// An operation that is a collective, as a call of ours.
#pragma once

#include "base/error.hpp"
#include "bindings/nccl/operation.hpp"

namespace sluice::nccl {

/// `target`: a Communicator, or what its on() gives.
template <class Target>
Status call_collective(Target&& target, const Operation& operation) {
  using Kind = Operation::Kind;
  const void* const input = operation.input;
  void* const output = operation.output;
  const std::size_t count = operation.count;
  const DataType type = operation.data_type();
  const Reduction& reduction = operation.reduction;
  const int root = operation.peer;
  switch (operation.kind) {
    case Kind::kAllReduce: return target.all_reduce(input, output, count, type, reduction);
    case Kind::kBroadcast: return target.broadcast(input, output, count, type, root);
    case Kind::kReduce: return target.reduce(input, output, count, type, reduction, root);
    case Kind::kAllGather: return target.all_gather(input, output, count, type);
    case Kind::kReduceScatter: return target.reduce_scatter(input, output, count, type, reduction);
    case Kind::kAllToAll: return target.all_to_all(input, output, count, type);
    case Kind::kGather: return target.gather(input, output, count, type, root);
    case Kind::kScatter: return target.scatter(input, output, count, type, root);
    case Kind::kSend:
    case Kind::kReceive:
    case Kind::kPutSignal:
    case Kind::kSignal:
    case Kind::kWaitSignal: break;
  }
  return fail(Errc::kInternalError, "no collective", "an operation was taken for a collective");
}

}  // namespace sluice::nccl
