// The beginning and the end of communicators.
#include <fmt/format.h>

#include <span>
#include <thread>

#include "base/error.hpp"
#include "base/log.hpp"
#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/environment.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/group.hpp"
#include "bindings/nccl/ids.hpp"
#include "bindings/nccl/placement.hpp"
#include "device/device.hpp"

namespace sluice::nccl {
namespace {

using State = ncclComm::State;

Status check_place(const ncclComm_t* out, int rank, int size) {
  if (out == nullptr) return bad_argument("where to put the communicator is null");
  if (size < 1 || rank < 0 || rank >= size)
    return bad_argument(fmt::format("rank {} of {}: expected 0 <= rank < size", rank, size));
  return {};
}

ncclResult_t init(ncclComm_t* out, int size, const ncclUniqueId& id, int rank, int device,
                  const ncclConfig_t* given, bool device_required = false) {
  if (const Status status = check_place(out, rank, size); !status.ok()) return conclude(status);
  *out = nullptr;
  if (const Status status = apply_environment(); !status.ok()) return conclude(status);
  const auto config = read_config(given);
  if (!config.ok()) return conclude(config.status());
  auto comm = std::make_shared<ncclComm>(config.value());
  comm->device = device;
  let_go(nullptr);
  // Without a device in the process the caller's number is only kept.
  Options options = configured(options_from_environment(), config.value());
  options.device = current_device() < 0 ? -1 : device;
  options.device_required = device_required;
  return make(out, std::move(comm), [=](ncclComm& made) -> Status {
    SLUICE_TRY_ASSIGN(const UniqueId opened, sealed(from_nccl(id)));
    SLUICE_TRY_ASSIGN(auto ranks, Communicator::create(opened, rank, size, options));
    log::info(log::Topic::kInit, "rank {} of {}: communicator \"{}\" through the NCCL door", rank,
              size, made.config.name);
    return welcome(made, std::move(ranks));
  });
}

/// One thread makes all ranks of a communicator, one for each device of the list.
Status init_all(ncclComm_t* comms, int count, const int* devices) {
  if (comms == nullptr || count < 1)
    return bad_argument(
        fmt::format("ncclCommInitAll: {} communicators at {}", count, fmt::ptr(comms)));
  ncclUniqueId id;
  if (GetUniqueId(&id) != ncclSuccess) return {Errc::kSystemError, "no unique id"};
  const auto found = device::count();
  const int present = found.ok() ? found.value() : 0;
  const auto device_of = [&](int rank) {
    if (devices != nullptr) return devices[rank];
    return present > 0 ? rank % present : -1;
  };
  GroupStart();
  for (int rank = 0; rank < count; ++rank)
    init(&comms[rank], count, id, rank, device_of(rank), nullptr, devices != nullptr);
  const ncclResult_t result = GroupEnd();
  return {static_cast<Errc>(result), "ncclCommInitAll"};
}

/// The last call on a communicator: nobody may use it any more.
void release(ncclComm& comm) {
  comm.state = State::kEnded;
  comm.magic = 0;
  let_go(std::move(comm.self));
}

/// Gives kernels that were told to leave the time for it, which is short once they run.
void await_kernels(const ncclComm& comm) {
  for (const Deadline deadline = Deadline::after(std::chrono::seconds(1));
       !comm.order.done() && !deadline.passed();)
    std::this_thread::sleep_for(std::chrono::microseconds(50));
}

/// Waits for what is on streams; what does not end within the timeout is aborted.
Status finish(ncclComm& comm) {
  const Status status = comm.await_streams();
  if (!status.ok()) comm.interrupt();
  return status;
}

Status revoke(ncclComm& comm, int flags) {
  if (flags != NCCL_REVOKE_DEFAULT)
    return bad_argument(fmt::format("ncclCommRevoke: flags {:#x}, expected 0", flags));
  if (comm.state == State::kMaking || comm.state == State::kUnmade) return comm.admit();
  const State before = comm.state.exchange(State::kRevoked);
  if (before != State::kRevoked) comm.interrupt();
  return {};
}

}  // namespace

ncclResult_t GetUniqueId(ncclUniqueId* uniqueId) {
  if (uniqueId == nullptr)
    return conclude(bad_argument("ncclGetUniqueId: where to put it is null"));
  if (const Status status = apply_environment(); !status.ok()) return conclude(status);
  const auto made = make_id();
  if (!made.ok()) return conclude(made.status());
  const auto id = sealed(made.value());
  if (id.ok()) *uniqueId = to_nccl(id.value());
  return conclude(id.status());
}

ncclResult_t CommInitRank(ncclComm_t* newcomm, int nranks, ncclUniqueId commId, int rank) {
  return init(newcomm, nranks, commId, rank, current_device(), nullptr);
}

ncclResult_t CommInitRankConfig(ncclComm_t* newcomm, int nranks, ncclUniqueId commId, int rank,
                                ncclConfig_t* config) {
  return init(newcomm, nranks, commId, rank, current_device(), config);
}

ncclResult_t CommInitRankScalable(ncclComm_t* newcomm, int nranks, int rank, int nId,
                                  ncclUniqueId* commIds, ncclConfig_t* config) {
  if (nId < 1 || nId > nranks || commIds == nullptr)
    return conclude(
        bad_argument(fmt::format("ncclCommInitRankScalable: {} ids at {}, expected 1 to {}", nId,
                                 fmt::ptr(commIds), nranks)));
  // One rendezvous serves all ranks; all of them have the same list, so all meet at its first.
  return init(newcomm, nranks, commIds[0], rank, current_device(), config);
}

ncclResult_t CommInitAll(ncclComm_t* comms, int ndev, const int* devlist) {
  return conclude(init_all(comms, ndev, devlist));
}

ncclResult_t CommFinalize(ncclComm_t comm) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  comm->await_idle();
  if (comm->state == State::kUnmade || comm->state == State::kRevoked ||
      comm->state == State::kFinalized)
    return conclude(comm, comm->admit());
  comm->state = State::kFinalized;
  if (comm->order.done()) return ncclSuccess;
  if (comm->config.blocking) return conclude(comm, finish(*comm));
  comm->set_busy();
  comm->run_in_background([comm] { return finish(*comm); });
  return ncclInProgress;
}

ncclResult_t CommDestroy(ncclComm_t comm) {
  if (comm == nullptr) return ncclSuccess;
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  if (group_depth > 0) {
    Group::here().add_leaver(*comm);
    return ncclSuccess;
  }
  comm->await_idle();
  const ncclResult_t finished = conclude(comm, finish(*comm));
  release(*comm);
  return finished;
}

ncclResult_t CommAbort(ncclComm_t comm) {
  if (comm == nullptr) return ncclSuccess;
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  // One that is still being made is left to its task, which ends by its own deadline and then finds
  // that nobody wants the communicator.
  State making = State::kMaking;
  if (!comm->state.compare_exchange_strong(making, State::kEnded)) {
    comm->state = State::kEnded;
    comm->interrupt();
    await_kernels(*comm);
  }
  release(*comm);
  return ncclSuccess;
}

ncclResult_t CommRevoke(ncclComm_t comm, int revokeFlags) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  return conclude(comm, revoke(*comm, revokeFlags));
}

}  // namespace sluice::nccl
