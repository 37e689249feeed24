// What can be asked of the library and of a communicator; suspension.
#include <fmt/format.h>

#include "base/error.hpp"
#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/environment.hpp"
#include "bindings/nccl/errors.hpp"
#include "communicator/device_part.hpp"
#include "communicator/impl.hpp"

namespace sluice::nccl {
namespace {

using State = ncclComm::State;

/// `value` of a communicator that has been made, into `out`.
template <class Value>
ncclResult_t tell(const ncclComm* comm, int* out, Value value) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  if (out == nullptr) return conclude(bad_argument("where to put the answer is null"));
  const State state = comm->state;
  if (state == State::kMaking || state == State::kUnmade) return conclude(comm->admit());
  *out = value(*comm);
  return ncclSuccess;
}

/// From one state to another; `otherwise` is what is wrong when it is in neither.
Status turn(ncclComm& comm, State from, State to, const char* otherwise) {
  if (comm.state.compare_exchange_strong(from, to)) return {};
  return comm.state == to ? bad_usage(otherwise) : comm.admit();
}

/// What the communicator keeps on its GPU.
std::uint64_t device_bytes(const ncclComm& comm) {
  const DevicePart* const part = comm.on_device ? comm.ranks->impl().device() : nullptr;
  return part == nullptr ? 0 : part->device_bytes() + comm.signals.device_bytes();
}

}  // namespace

ncclResult_t GetVersion(int* version) {
  if (version == nullptr) return conclude(bad_argument("ncclGetVersion: where to put it is null"));
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t CommGetAsyncError(ncclComm_t comm, ncclResult_t* asyncError) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  if (asyncError == nullptr)
    return conclude(bad_argument("ncclCommGetAsyncError: where to put it is null"));
  const Status status = comm->asynchronous_error();
  *asyncError = result_of(status);
  if (!status.ok() && status.code() != Errc::kInProgress) comm->keep(sluice::last_error());
  return ncclSuccess;
}

ncclResult_t CommCount(ncclComm_t comm, int* count) {
  return tell(comm, count, [](const ncclComm& made) { return made.ranks->size(); });
}

ncclResult_t CommUserRank(ncclComm_t comm, int* rank) {
  return tell(comm, rank, [](const ncclComm& made) { return made.ranks->rank(); });
}

ncclResult_t CommCuDevice(ncclComm_t comm, int* device) {
  return tell(comm, device, [](const ncclComm& made) { return made.device; });
}

ncclResult_t CommSuspend(ncclComm_t comm, int flags) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  if (flags != NCCL_SUSPEND_MEM)
    return conclude(comm, bad_argument(fmt::format(
                              "ncclCommSuspend: flags {:#x}, expected NCCL_SUSPEND_MEM", flags)));
  return conclude(
      comm, turn(*comm, State::kReady, State::kSuspended, "the communicator is suspended already"));
}

ncclResult_t CommResume(ncclComm_t comm) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  return conclude(
      comm, turn(*comm, State::kSuspended, State::kReady, "the communicator is not suspended"));
}

ncclResult_t CommMemStats(ncclComm_t comm, ncclCommMemStat_t stat, uint64_t* value) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  if (value == nullptr) return conclude(bad_argument("ncclCommMemStats: where to put it is null"));
  switch (stat) {
    case ncclStatGpuMemSuspended: *value = comm->state == State::kSuspended; return ncclSuccess;
    case ncclStatGpuMemSuspend: *value = 0; return ncclSuccess;  // suspension releases none
    case ncclStatGpuMemPersist:
    case ncclStatGpuMemTotal: *value = device_bytes(*comm); return ncclSuccess;
  }
  return conclude(bad_argument(
      fmt::format("ncclCommMemStats: statistic {} is none of NCCL's", static_cast<int>(stat))));
}

void ResetDebugInit() { read_log_settings(); }

}  // namespace sluice::nccl
