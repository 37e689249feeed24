#include "bindings/nccl/placement.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "bindings/nccl/errors.hpp"
#include "communicator/impl.hpp"
#include "device/device.hpp"

namespace sluice::nccl {
namespace {

/// cuPointerGetAttribute of the driver API, its attribute and the value that means memory of a GPU.
using PointerAttribute = int (*)(void* result, int attribute, unsigned long long pointer);
constexpr int kMemoryType = 2;
constexpr unsigned kDeviceMemory = 2;

/// For builds without GPU code in programs that use a GPU. Null where no driver is loaded: then
/// nobody can have memory of a GPU. It is only looked for, never loaded; a program that has device
/// memory has loaded it. Looked for once, at the first call that moves data.
PointerAttribute driver() {
  static const auto function = [] {
    void* const library = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr
               ? nullptr
               : reinterpret_cast<PointerAttribute>(::dlsym(library, "cuPointerGetAttribute"));
  }();
  return function;
}

/// Whether this build can work with a GPU, and there is one. Asked once: the first communicator
/// does.
bool has_devices() {
  static const bool found = device::count().ok();
  return found;
}

enum class Memory : std::uint8_t {
  kNone,      // a null pointer
  kOrdinary,  // the host's
  kPinned,    // the host's, and kernels reach it: it may serve as either
  kDevice,
};

Result<Memory> look_at(const void* pointer) {
  if (pointer == nullptr) return Memory::kNone;
  if (has_devices()) {
    SLUICE_TRY_ASSIGN(const device::Place found, device::place_of(pointer));
    if (found.kind == MemoryKind::kDevice) return Memory::kDevice;
    return found.reached ? Memory::kPinned : Memory::kOrdinary;
  }
  const PointerAttribute attribute = driver();
  unsigned type = 0;
  const bool on_device =
      attribute != nullptr &&
      attribute(&type, kMemoryType, reinterpret_cast<std::uintptr_t>(pointer)) == 0 &&
      type == kDeviceMemory;
  return on_device ? Memory::kDevice : Memory::kOrdinary;
}

/// The buffers of a call that this rank uses.
struct Buffers {
  const void* input;
  const void* output;
};

Buffers used(const ncclComm& comm, const Operation& operation) {
  const bool is_root = comm.ranks->rank() == operation.peer;
  Buffers buffers{operation.input, operation.output};
  switch (operation.kind) {
    case Operation::Kind::kBroadcast:
    case Operation::Kind::kScatter:
      if (!is_root) buffers.input = nullptr;
      break;
    case Operation::Kind::kReduce:
    case Operation::Kind::kGather:
      if (!is_root) buffers.output = nullptr;
      break;
    default: break;
  }
  return buffers;
}

Status refuse_mixture(const Buffers& buffers) {
  return bad_usage(
      fmt::format("one buffer is memory of a GPU, the other of the host (send {}, receive {}): "
                  "they must be of one kind",
                  fmt::ptr(buffers.input), fmt::ptr(buffers.output)));
}

Status refuse_device(const ncclComm& comm, const char* what) {
  return bad_usage(fmt::format("{} memory of a GPU, and the communicator has none to work on: {}",
                               what, comm.ranks->impl().why_no_device()));
}

Status refuse_stream(const ncclComm& comm, const Operation& operation) {
  if (comm.on_device)
    return bad_usage(
        fmt::format("stream {} is not null, and the buffers are host memory: such calls run at "
                    "once, on no stream",
                    fmt::ptr(operation.stream)));
  return bad_usage(
      fmt::format("stream {} is not null, and the communicator has no GPU to work on: {}; calls "
                  "on host memory run at once, on no stream",
                  fmt::ptr(operation.stream), comm.ranks->impl().why_no_device()));
}

Status place_on_host(const ncclComm& comm, const Operation& operation) {
  if (operation.stream != nullptr) [[unlikely]]
    return refuse_stream(comm, operation);
  if (!has_devices() && driver() == nullptr) [[likely]]
    return {};
  const Buffers buffers = used(comm, operation);
  SLUICE_TRY_ASSIGN(const Memory in, look_at(buffers.input));
  SLUICE_TRY_ASSIGN(const Memory out, look_at(buffers.output));
  if (in != Memory::kDevice && out != Memory::kDevice) return {};
  if (in == Memory::kOrdinary || out == Memory::kOrdinary) return refuse_mixture(buffers);
  return refuse_device(comm, "the buffers are");
}

/// Of a communicator that has a device: which of the two it is.
Status choose(const ncclComm& comm, Operation& operation) {
  const Buffers buffers = used(comm, operation);
  SLUICE_TRY_ASSIGN(const Memory in, look_at(buffers.input));
  SLUICE_TRY_ASSIGN(const Memory out, look_at(buffers.output));
  const bool device = in == Memory::kDevice || out == Memory::kDevice;
  const bool ordinary = in == Memory::kOrdinary || out == Memory::kOrdinary;
  if (device && ordinary) return refuse_mixture(buffers);
  const bool pinned = in == Memory::kPinned || out == Memory::kPinned;
  if (device || (pinned && !ordinary)) {
    operation.route = Operation::Route::kStream;
    operation.input = buffers.input;
    operation.output = const_cast<void*>(buffers.output);
    return {};
  }
  return operation.stream == nullptr ? Status() : refuse_stream(comm, operation);
}

/// Of a communicator that has a device and signals: where those are. The peer's memory is of that
/// kind, and the local buffer has to be.
Status place_one_sided(const ncclComm& comm, Operation& operation) {
  SLUICE_TRY_ASSIGN(const Memory from, look_at(operation.input));
  if (comm.signals.on_device()) {
    operation.route = Operation::Route::kStream;
    if (operation.count == 0 || from != Memory::kOrdinary) return {};
    return bad_usage(
        fmt::format("put: the window is memory of a GPU, and the local buffer at {} "
                    "is the host's: expected memory that kernels reach",
                    fmt::ptr(operation.input)));
  }
  if (operation.count != 0 && from == Memory::kDevice)
    return bad_usage(
        fmt::format("put: the window is the host's memory, and the local buffer at {} "
                    "is memory of a GPU: expected memory of the host",
                    fmt::ptr(operation.input)));
  if (operation.stream == nullptr) return {};
  return bad_usage(
      fmt::format("stream {} is not null, and the communicator's windows and signals "
                  "are the host's memory: such calls run at once, on no stream",
                  fmt::ptr(operation.stream)));
}

}  // namespace

int current_device() {
  if (!has_devices()) return -1;
  const auto device = device::current();
  return device.ok() ? device.value() : -1;
}

Status place(const ncclComm& comm, Operation& operation) {
  operation.route = Operation::Route::kHost;
  if (!comm.on_device) [[likely]]
    return place_on_host(comm, operation);
  if (operation.is_one_sided()) return place_one_sided(comm, operation);
  if (operation.count == 0) {
    operation.route = Operation::Route::kNowhere;
    const int size = comm.ranks->size();
    if (operation.peer >= 0 && operation.peer < size) return {};
    return bad_argument(fmt::format("root or peer {}, expected 0 to {}", operation.peer, size - 1));
  }
  SLUICE_TRY(choose(comm, operation));
  if (operation.reduction.scale_at != nullptr && operation.route == Operation::Route::kHost)
    return bad_usage(
        "the operator's scalar is in a GPU's memory (ncclScalarDevice), and the buffers are the "
        "host's");
  return {};
}

Result<bool> is_device_memory(const ncclComm& comm, const void* memory) {
  SLUICE_TRY_ASSIGN(const Memory found, look_at(memory));
  if (found != Memory::kDevice) return false;
  if (!comm.on_device) return refuse_device(comm, "the buffer is");
  return true;
}

Status expect_device_reaches(const void* memory, const char* what) {
  SLUICE_TRY_ASSIGN(const Memory found, look_at(memory));
  if (found == Memory::kDevice || found == Memory::kPinned) return {};
  return bad_argument(fmt::format("{} at {} is ordinary host memory, which kernels do not reach",
                                  what, fmt::ptr(memory)));
}

}  // namespace sluice::nccl
