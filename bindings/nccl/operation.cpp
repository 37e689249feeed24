#include "bindings/nccl/operation.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "bindings/nccl/collective.hpp"
#include "bindings/nccl/enqueue.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/group.hpp"
#include "bindings/nccl/one_sided.hpp"
#include "bindings/nccl/placement.hpp"

namespace sluice::nccl {
namespace {

using Kind = Operation::Kind;

bool reduces(Kind kind) {
  return kind == Kind::kAllReduce || kind == Kind::kReduce || kind == Kind::kReduceScatter;
}

/// Finds what the operator means on this communicator.
Status resolve(const ncclComm& comm, Operation& operation) {
  const int op = static_cast<int>(operation.op);
  if (op >= 0 && op < static_cast<int>(ncclNumOps)) [[likely]] {
    operation.reduction = Reduction(static_cast<ReduceOp>(op));
    return {};
  }
  const auto index = static_cast<std::size_t>(op) - ncclNumOps;
  if (op < 0 || index >= comm.factors.size() || !comm.factors[index].alive)
    return bad_argument(
        fmt::format("reduction {} is neither one of NCCL's nor one that "
                    "ncclRedOpCreatePreMulSum made on this communicator",
                    op));
  const ncclComm::Factor& factor = comm.factors[index];
  if (factor.type != operation.type)
    return bad_argument(fmt::format("reduction {} was made for {}, the call has {}", op,
                                    name(static_cast<DataType>(factor.type)),
                                    name(operation.data_type())));
  operation.reduction = factor.reduction;
  return {};
}

Status look_at(const ncclComm* comm, Operation& operation) {
  SLUICE_TRY(check_handle(comm));
  SLUICE_TRY(comm->admit());
  if (static_cast<unsigned>(operation.type) >= ncclNumTypes) [[unlikely]]
    return bad_argument(
        fmt::format("data type {} is none of NCCL's", static_cast<int>(operation.type)));
  if (reduces(operation.kind)) SLUICE_TRY(resolve(*comm, operation));
  if (operation.is_one_sided()) SLUICE_TRY(check_one_sided(*comm, operation));
  return place(*comm, operation);
}

/// Runs those of `operations` that `chosen` takes, in order, until one fails.
template <class Chosen>
Status run_those(ncclComm& comm, const std::vector<Operation>& operations, Chosen chosen) {
  for (const Operation& operation : operations)
    if (chosen(operation)) SLUICE_TRY(run(comm, operation));
  return {};
}

Status run_messages(ncclComm& comm, const std::vector<Operation>& operations) {
  std::vector<Communicator::Transfer> transfers;
  for (const Operation& operation : operations)
    if (operation.is_message()) transfers.push_back(operation.transfer());
  if (transfers.empty()) return {};
  return comm.ranks->exchange(transfers);
}

/// A call that does not run on host memory: whoever makes it need not wait, nor has anything to.
ncclResult_t issue_elsewhere(ncclComm& comm, const Operation& operation) {
  if (operation.route == Operation::Route::kNowhere) return ncclSuccess;
  if (group_depth > 0) {
    Group::here().add(comm, operation);
    return ncclSuccess;
  }
  const InUse use(comm);
  return conclude(&comm, use.ok() ? enqueue(comm, {operation}) : comm.admit());
}

ncclResult_t issue_later(ncclComm& comm, const Operation& operation) {
  if (group_depth > 0) {
    Group::here().add(comm, operation);
    return ncclSuccess;
  }
  return manage(&comm, [operation](ncclComm& self) { return run(self, operation); });
}

}  // namespace

Communicator::Transfer Operation::transfer() const {
  using Direction = Communicator::Transfer::Direction;
  return {.direction = kind == Kind::kSend ? Direction::kSend : Direction::kReceive,
          .peer = peer,
          .source = input,
          .destination = output,
          .count = count,
          .type = data_type()};
}

ncclResult_t issue(ncclComm_t comm, Operation&& operation) {
  if (const Status status = look_at(comm, operation); !status.ok()) [[unlikely]]
    return conclude(is_handle(comm) ? comm : nullptr, status);
  if (operation.route != Operation::Route::kHost) [[unlikely]]
    return issue_elsewhere(*comm, operation);
  if (group_depth > 0 || !comm->config.blocking) [[unlikely]]
    return issue_later(*comm, operation);
  const InUse use(*comm);
  return conclude(comm, use.ok() ? run(*comm, operation) : comm->admit());
}

Status run_together(ncclComm& comm, const std::vector<Operation>& operations) {
  SLUICE_TRY(run_those(comm, operations, [](const Operation& each) {
    return each.kind == Kind::kPutSignal || each.kind == Kind::kSignal;
  }));
  SLUICE_TRY(run_those(comm, operations, [](const Operation& each) {
    return !each.is_message() && !each.is_one_sided();
  }));
  SLUICE_TRY(run_messages(comm, operations));
  return run_those(comm, operations,
                   [](const Operation& each) { return each.kind == Kind::kWaitSignal; });
}

Status run(ncclComm& comm, const Operation& operation) {
  if (operation.is_one_sided()) return run_one_sided(comm, operation);
  if (!operation.is_message()) return call_collective(*comm.ranks, operation);
  const Communicator::Transfer transfer = operation.transfer();
  return comm.ranks->exchange({&transfer, 1});
}

}  // namespace sluice::nccl
