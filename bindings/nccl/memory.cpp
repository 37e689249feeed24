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

enum class Shown : std::uint8_t { kOrdinary, kShareable, kOfDevice };

Result<Shown> kind_of(const ncclComm& comm, const void* buffer, std::size_t bytes) {
  SLUICE_TRY_ASSIGN(const bool on_device, is_device_memory(comm, buffer));
  if (on_device) return Shown::kOfDevice;
  return Registry::instance().find(buffer, bytes) ? Shown::kShareable : Shown::kOrdinary;
}

/// Why windows on GPUs, or in the host's memory, do not go with what the communicator has.
std::string of_the_other_kind(const ncclComm& comm, const std::vector<Shown>& all) {
  const auto device = std::find(all.begin(), all.end(), Shown::kOfDevice);
  const auto host =
      std::find_if(all.begin(), all.end(), [](Shown each) { return each != Shown::kOfDevice; });
  if (device != all.end() && host != all.end())
    return fmt::format(
        "rank {}'s window is memory of a GPU and rank {}'s is the host's: expected "
        "one kind on all ranks",
        device - all.begin(), host - all.begin());
  const bool on_device = device != all.end();
  if (!comm.signals.exists() || comm.signals.on_device() == on_device) return {};
  const auto name = [](bool gpu) { return gpu ? "memory of a GPU" : "the host's memory"; };
  return fmt::format(
      "the window is {}, and the communicator's signals are in {}, as its first "
      "window was: expected one kind in a communicator",
      name(on_device), name(!on_device));
}

/// Why the ranks cannot reach each other's windows, as far as what they are says it; empty when
/// they can. Collective.
Result<std::string> obstacle(ncclComm& comm, Shown mine) {
  Communicator& ranks = *comm.ranks;
  std::vector<Shown> all(static_cast<std::size_t>(ranks.size()));
  SLUICE_TRY(ranks.all_gather(&mine, all.data(), 1, DataType::kUint8));
  if (std::string why = of_the_other_kind(comm, all); !why.empty()) return why;
  if (mine != Shown::kOfDevice && comm.contacts.one_process()) return std::string();
  for (int rank = 0; rank < ranks.size(); ++rank)
    if (ranks.impl().is_across(rank))
      return fmt::format("rank {} is on another host than rank {}, so its window cannot be mapped",
                         rank, ranks.rank());
  const auto cannot = std::find(all.begin(), all.end(), Shown::kOrdinary);
  if (cannot == all.end()) return std::string();
  return fmt::format("rank {}'s window is not in memory from ncclMemAlloc, so it cannot be mapped",
                     cannot - all.begin());
}

/// Opens the ranks' windows for each other, or finds out why that cannot be. Collective.
Status open_windows(ncclComm& comm, ncclWindow_vidmem& window) {
  Communicator::Impl& impl = comm.ranks->impl();
  if (!window.on_device) {
    SLUICE_TRY_ASSIGN(window.of_ranks, impl.share_buffer(window.buffer, window.bytes));
    return {};
  }
  SLUICE_TRY_ASSIGN(auto shared, impl.share_device_buffer(window.buffer, window.bytes));
  window.of_ranks = std::move(shared.of_ranks);
  window.why_local = std::move(shared.why_not);
  return {};
}

Status register_window(ncclComm& comm, void* buffer, std::size_t bytes, ncclWindow_t* out) {
  SLUICE_TRY_ASSIGN(const Shown mine, kind_of(comm, buffer, bytes));
  auto window = std::make_unique<ncclWindow_vidmem>();
  window->owner = &comm;
  window->buffer = buffer;
  window->bytes = bytes;
  window->on_device = mine == Shown::kOfDevice;
  SLUICE_TRY_ASSIGN(window->why_local, obstacle(comm, mine));
  if (window->why_local.empty()) SLUICE_TRY(open_windows(comm, *window));
  if (window->why_local.empty() && !comm.signals.exists())
    SLUICE_TRY(comm.signals.make(
        *comm.ranks, comm.config.rma_contexts, comm.config.rma_signals,
        window->on_device ? SignalBoard::Memory::kDevice : SignalBoard::Memory::kHost));
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
  // What this rank has on streams may be about to write to its peers' windows.
  if (win->on_device && !win->of_ranks.empty())
    if (const Status ended = comm->await_streams(); !ended.ok()) return conclude(comm, ended);
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
