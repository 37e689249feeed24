// Buffers that peers can map, registration, windows.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "bindings/nccl/communicator.hpp"
#include "bindings/nccl/door.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/group.hpp"
#include "bindings/nccl/placement.hpp"
#include "communicator/impl.hpp"
#include "memory/registry.hpp"

namespace sluice::nccl {
namespace {

/// What ncclCommRegister hands out. Ordinary memory needs no registration, and shareable memory is
/// known by its address: the handle is there to be given back.
struct Registration {
  static constexpr std::uint64_t kAlive = 0x4745524547434c53;
  std::uint64_t magic = kAlive;
  const ncclComm* owner;
};

Status check_buffer(const char* function, const ncclComm* comm, const void* buffer,
                    std::size_t bytes, const void* out) {
  SLUICE_TRY(check_handle(comm));
  SLUICE_TRY(comm->admit());
  if (buffer == nullptr || bytes == 0 || out == nullptr)
    return bad_argument(fmt::format("{}: {} bytes at {}, to be put at {}", function, bytes,
                                    fmt::ptr(buffer), fmt::ptr(out)));
  return is_device_memory(*comm, buffer).status();
}

/// Why the ranks cannot reach each other's windows; empty when they can.
std::string obstacle(ncclComm& comm, bool mine_can_be_mapped, bool on_device, Status& status) {
  enum : std::uint8_t { kOrdinary, kShareable, kOfDevice };
  Communicator& ranks = *comm.ranks;
  std::vector<std::uint8_t> can(static_cast<std::size_t>(ranks.size()));
  const std::uint8_t mine = on_device ? kOfDevice : mine_can_be_mapped ? kShareable : kOrdinary;
  status = ranks.all_gather(&mine, can.data(), 1, DataType::kUint8);
  if (!status.ok()) return {};
  if (const auto device = std::find(can.begin(), can.end(), kOfDevice); device != can.end())
    return fmt::format("rank {}'s window is memory of a GPU, which puts do not reach",
                       device - can.begin());
  if (comm.contacts.one_process()) return {};
  for (int rank = 0; rank < ranks.size(); ++rank)
    if (ranks.impl().is_across(rank))
      return fmt::format("rank {} is on another host than rank {}, so its window cannot be mapped",
                         rank, ranks.rank());
  const auto cannot = std::find(can.begin(), can.end(), kOrdinary);
  if (cannot == can.end()) return {};
  return fmt::format("rank {}'s window is not in memory from ncclMemAlloc, so it cannot be mapped",
                     cannot - can.begin());
}

Status register_window(ncclComm& comm, void* buffer, std::size_t bytes, ncclWindow_t* out) {
  Status status;
  const bool shareable = Registry::instance().find(buffer, bytes).has_value();
  SLUICE_TRY_ASSIGN(const bool on_device, is_device_memory(comm, buffer));
  const std::string why = obstacle(comm, shareable, on_device, status);
  SLUICE_TRY(status);
  auto window = std::make_unique<ncclWindow_vidmem>();
  window->owner = &comm;
  window->buffer = buffer;
  window->bytes = bytes;
  window->why_local = why;
  if (why.empty()) {
    SLUICE_TRY_ASSIGN(window->of_ranks, comm.ranks->impl().share_buffer(buffer, bytes));
    if (!comm.signals.exists())
      SLUICE_TRY(comm.signals.make(*comm.ranks, comm.config.rma_contexts, comm.config.rma_signals));
  }
  *out = window.get();
  comm.windows.push_back(std::move(window));
  return {};
}

Status check_window(const ncclComm* comm, const ncclWindow_vidmem* window) {
  SLUICE_TRY(check_handle(comm));
  const auto found = std::find_if(comm->windows.begin(), comm->windows.end(),
                                  [&](const auto& each) { return each.get() == window; });
  if (window == nullptr || found == comm->windows.end())
    return bad_argument("not a window of this communicator");
  return {};
}

}  // namespace

ncclResult_t MemAlloc(void** ptr, size_t size) {
  if (ptr == nullptr) return conclude(bad_argument("ncclMemAlloc: where to put it is null"));
  *ptr = nullptr;
  if (size == 0) return ncclSuccess;
  const auto memory =
      sluice::alloc(size, current_device() < 0 ? MemoryKind::kHost : MemoryKind::kDevice);
  if (memory.ok()) *ptr = memory.value();
  return conclude(memory.status());
}

ncclResult_t MemFree(void* ptr) { return conclude(sluice::free(ptr)); }

ncclResult_t CommRegister(ncclComm_t comm, void* buff, size_t size, void** handle) {
  const Status status = check_buffer("ncclCommRegister", comm, buff, size, handle);
  if (!status.ok()) return conclude(status);
  *handle = new Registration{.owner = comm};
  return ncclSuccess;
}

ncclResult_t CommDeregister(ncclComm_t comm, void* handle) {
  if (const Status status = check_handle(comm); !status.ok()) return conclude(status);
  if (handle == nullptr) return ncclSuccess;
  auto* registration = static_cast<Registration*>(handle);
  if (registration->magic != Registration::kAlive || registration->owner != comm)
    return conclude(bad_argument("ncclCommDeregister: not a handle of this communicator"));
  registration->magic = 0;
  delete registration;
  return ncclSuccess;
}

ncclResult_t CommWindowRegister(ncclComm_t comm, void* buff, size_t size, ncclWindow_t* win,
                                int winFlags) {
  const Status status = check_buffer("ncclCommWindowRegister", comm, buff, size, win);
  if (!status.ok()) return conclude(status);
  constexpr int kKnown =
      NCCL_WIN_COLL_SYMMETRIC | NCCL_WIN_STRICT_ORDERING | NCCL_WIN_GIN_ONLY | NCCL_WIN_CFT_COUNTED;
  if ((winFlags & ~kKnown) != 0)
    return conclude(bad_argument(
        fmt::format("ncclCommWindowRegister: flags {:#x}, known are {:#x}", winFlags, kKnown)));
  if ((winFlags & (NCCL_WIN_GIN_ONLY | NCCL_WIN_CFT_COUNTED)) != 0)
    return conclude(
        bad_usage("ncclCommWindowRegister: windows for kernels alone (NCCL_WIN_GIN_ONLY, "
                  "NCCL_WIN_CFT_COUNTED) need the device side, which is not implemented"));
  *win = nullptr;
  return manage(comm, [=](ncclComm& made) { return register_window(made, buff, size, win); });
}

ncclResult_t CommWindowDeregister(ncclComm_t comm, ncclWindow_t win) {
  if (const Status status = check_window(comm, win); !status.ok()) return conclude(status);
  std::erase_if(comm->windows, [&](const auto& each) { return each.get() == win; });
  return ncclSuccess;
}

ncclResult_t WinGetUserPtr(ncclComm_t comm, ncclWindow_t win, void** outUserPtr) {
  if (const Status status = check_window(comm, win); !status.ok()) return conclude(status);
  if (outUserPtr == nullptr)
    return conclude(bad_argument("ncclWinGetUserPtr: where to put it is null"));
  *outUserPtr = win->buffer;
  return ncclSuccess;
}

}  // namespace sluice::nccl
