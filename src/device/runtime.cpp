// device.hpp with the runtime of the vendor whose folder the build names; of shareable.hpp what
// both vendors have.
#include <fmt/format.h>

#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "base/error.hpp"
#include "device/beside_captures.hpp"
#include "device/device.hpp"
#include "device/shareable.hpp"
#include "vendor.hpp"

namespace sluice::device {
namespace {

using vendor::Error;
using vendor::means_none;

const vendor::Functions& gpu() { return vendor::functions(); }

vendor::StreamHandle native(Stream stream) {
  return static_cast<vendor::StreamHandle>(stream.handle);
}

std::string text_of(Error error) {
  return fmt::format("{} ({}, {})", gpu().GetErrorString(error), gpu().GetErrorName(error),
                     static_cast<int>(error));
}

template <class... Values>
Status check(Error error, fmt::format_string<Values...> doing, Values&&... values) {
  if (error == vendor::kSuccess) [[likely]]
    return {};
  static_cast<void>(gpu().GetLastError());  // else the program's next look at it would find ours
  const std::string what = fmt::format(doing, std::forward<Values>(values)...);
  if (means_none(error))
    return fail(
        Errc::kSystemError, "no device",
        fmt::format("{}: no {} device can be used here: {}", what, vendor::kName, text_of(error)));
  return fail(Errc::kGpuError, "a call of the GPU's runtime failed",
              fmt::format("{}: {}", what, text_of(error)));
}

}  // namespace

Result<int> count() {
  int devices = 0;
  const Error error = gpu().GetDeviceCount(&devices);
  if (error == vendor::kSuccess && devices > 0) return devices;
  static_cast<void>(gpu().GetLastError());
  return Status(Errc::kSystemError, "no device");
}

std::string why_none() {
  int devices = 0;
  const Error error = gpu().GetDeviceCount(&devices);
  if (error == vendor::kSuccess) return devices > 0 ? "" : "the driver shows no device";
  static_cast<void>(gpu().GetLastError());
  return text_of(error);
}

Result<Facts> facts(int device) {
  const BesideCaptures beside;
  Facts found;
  SLUICE_TRY(check(vendor::look(device, found), "asking after device {}", device));
  return found;
}

Result<int> current() {
  int device = 0;
  SLUICE_TRY(check(gpu().GetDevice(&device), "asking for the current device"));
  return device;
}

Status use(int device) { return check(gpu().SetDevice(device), "using device {}", device); }

Using::Using(int device) {
  int before = 0;
  status_ = check(gpu().GetDevice(&before), "asking for the current device");
  if (!status_.ok() || before == device) return;
  status_ = use(device);
  if (status_.ok()) before_ = before;
}

Using::~Using() {
  if (before_ >= 0) static_cast<void>(gpu().SetDevice(before_));
}

Result<void*> allocate(std::uint64_t bytes) {
  const BesideCaptures beside;
  void* memory = nullptr;
  SLUICE_TRY(
      check(vendor::allocate(&memory, bytes), "allocating {} bytes of device memory", bytes));
  if (const Status cleared = clear(memory, bytes); !cleared.ok()) {
    static_cast<void>(gpu().Free(memory));
    return cleared;
  }
  return memory;
}

Status release(void* memory) {
  const BesideCaptures beside;
  return check(gpu().Free(memory), "releasing the device memory at {}", memory);
}

Status clear(void* memory, std::uint64_t bytes) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const OwnStream stream, OwnStream::create());
  SLUICE_TRY(check(gpu().MemsetAsync(memory, 0, bytes, native(stream.stream())),
                   "clearing {} bytes of device memory", bytes));
  return stream.wait();
}

Result<void*> allocate_pinned(std::uint64_t bytes) {
  const BesideCaptures beside;
  void* memory = nullptr;
  SLUICE_TRY(check(vendor::allocate_pinned(&memory, bytes), "allocating {} bytes of pinned memory",
                   bytes));
  std::memset(memory, 0, bytes);
  return memory;
}

Status release_pinned(void* memory) {
  const BesideCaptures beside;
  return check(vendor::release_pinned(memory), "releasing the pinned memory at {}", memory);
}

Result<void*> allocate_on(Stream stream, std::uint64_t bytes) {
  void* memory = nullptr;
  SLUICE_TRY(check(vendor::allocate_on(native(stream), &memory, bytes),
                   "allocating {} bytes of device memory on a stream", bytes));
  return memory;
}

Status release_on(Stream stream, void* memory) {
  return check(gpu().FreeAsync(memory, native(stream)), "releasing device memory on a stream");
}

Status copy(void* to, const void* from, std::uint64_t bytes) {
  if (bytes == 0) return {};
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const OwnStream stream, OwnStream::create());
  SLUICE_TRY(copy_on(stream.stream(), to, from, bytes));
  return stream.wait();
}

Status copy_on(Stream stream, void* to, const void* from, std::uint64_t bytes) {
  return check(gpu().MemcpyAsync(to, from, bytes, vendor::kAnyDirection, native(stream)),
               "copying {} bytes", bytes);
}

Result<Place> place_of(const void* pointer) {
  Place place;
  SLUICE_TRY(check(vendor::locate(pointer, place), "looking at {}", pointer));
  return place;
}

Result<Handle> share(void* allocation) {
  const BesideCaptures beside;
  vendor::IpcHandle native_handle{};
  SLUICE_TRY(check(gpu().IpcGetMemHandle(&native_handle, allocation),
                   "making a handle of device memory for other processes"));
  Handle handle;
  static_assert(sizeof native_handle == sizeof handle.bytes);
  std::memcpy(handle.bytes.data(), &native_handle, sizeof native_handle);
  return handle;
}

Result<void*> open(const Handle& handle) {
  const BesideCaptures beside;
  vendor::IpcHandle native_handle{};
  std::memcpy(&native_handle, handle.bytes.data(), sizeof native_handle);
  void* opened = nullptr;
  SLUICE_TRY(check(gpu().IpcOpenMemHandle(&opened, native_handle, vendor::kLazyPeerAccess),
                   "opening another process's device memory"));
  return opened;
}

Status close(void* opened) {
  const BesideCaptures beside;
  return check(gpu().IpcCloseMemHandle(opened), "closing another process's device memory");
}

Result<bool> reach(int peer) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const int own, current());
  if (own == peer) return true;
  int can = 0;
  SLUICE_TRY(check(gpu().DeviceCanAccessPeer(&can, own, peer),
                   "asking whether device {} reaches device {}", own, peer));
  if (can == 0) return false;
  const Error error = gpu().DeviceEnablePeerAccess(peer, 0);
  if (error == vendor::kAlreadyEnabled) {
    static_cast<void>(gpu().GetLastError());
    return true;
  }
  SLUICE_TRY(check(error, "letting device {} reach device {}", own, peer));
  return true;
}

Result<int> blocks_at_once(const void* kernel, unsigned threads) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const int device, current());
  int blocks = 0, processors = 0;
  SLUICE_TRY(check(vendor::blocks_at_once(&blocks, kernel, static_cast<int>(threads)),
                   "asking how many blocks of {} threads fit on device {}", threads, device));
  SLUICE_TRY(check(gpu().DeviceGetAttribute(&processors, vendor::kMultiprocessors, device),
                   "asking after device {}", device));
  return blocks * processors;
}

Status launch(const void* kernel, unsigned blocks, unsigned threads, void** arguments,
              Stream stream) {
  return check(
      gpu().LaunchKernel(kernel, dim3(blocks), dim3(threads), arguments, 0, native(stream)),
      "launching a kernel of {} blocks", blocks);
}

// ---- streams, events, graphs ----

void CloseStream::operator()(void* stream) const {
  static_cast<void>(gpu().StreamDestroy(static_cast<vendor::StreamHandle>(stream)));
}
void CloseEvent::operator()(void* event) const {
  static_cast<void>(gpu().EventDestroy(static_cast<vendor::EventHandle>(event)));
}
void CloseGraph::operator()(void* graph) const {
  static_cast<void>(gpu().GraphExecDestroy(static_cast<vendor::GraphExecHandle>(graph)));
}

Result<OwnStream> OwnStream::create() {
  vendor::StreamHandle stream = nullptr;
  SLUICE_TRY(check(gpu().StreamCreateWithFlags(&stream, vendor::kNonBlocking), "making a stream"));
  return OwnStream(stream);
}

Status OwnStream::wait() const {
  const BesideCaptures beside;
  return check(gpu().StreamSynchronize(native(stream())), "waiting for a stream");
}

Result<std::uint64_t> capture_of(Stream stream) {
  vendor::CaptureStatus state = vendor::kNotCaptured;
  unsigned long long id = 0;
  SLUICE_TRY(check(vendor::capture_info(native(stream), &state, &id),
                   "asking whether a stream is being captured"));
  return state == vendor::kNotCaptured ? 0 : std::uint64_t{id};
}

Result<Event> Event::create(Time time) {
  const unsigned flags = time == Time::kTaken ? vendor::kEventTimed : vendor::kEventUntimed;
  vendor::EventHandle event = nullptr;
  SLUICE_TRY(check(gpu().EventCreateWithFlags(&event, flags), "making an event"));
  return Event(event);
}

Status Event::record(Stream stream) const {
  return check(gpu().EventRecord(static_cast<vendor::EventHandle>(handle_.get()), native(stream)),
               "recording an event");
}

Status Event::wait() const {
  return check(gpu().EventSynchronize(static_cast<vendor::EventHandle>(handle_.get())),
               "waiting for an event");
}

Status Event::holds_up(Stream stream) const {
  return check(
      gpu().StreamWaitEvent(native(stream), static_cast<vendor::EventHandle>(handle_.get()), 0),
      "letting a stream wait for an event");
}

Result<bool> Event::done() const {
  const BesideCaptures beside;
  const Error error = gpu().EventQuery(static_cast<vendor::EventHandle>(handle_.get()));
  if (error == vendor::kNotReady) return false;
  SLUICE_TRY(check(error, "looking at an event"));
  return true;
}

Result<double> Event::between_us(const Event& first, const Event& second) {
  float milliseconds = 0;
  SLUICE_TRY(check(
      gpu().EventElapsedTime(&milliseconds, static_cast<vendor::EventHandle>(first.handle_.get()),
                             static_cast<vendor::EventHandle>(second.handle_.get())),
      "asking for the time between events"));
  return static_cast<double>(milliseconds) * 1000;
}

Status Graph::begin(Stream stream) {
  return check(gpu().StreamBeginCapture(native(stream), vendor::kThreadLocal),
               "beginning a capture");
}

Result<Graph> Graph::end(Stream stream) {
  vendor::GraphHandle graph = nullptr;
  SLUICE_TRY(check(gpu().StreamEndCapture(native(stream), &graph), "ending a capture"));
  vendor::GraphExecHandle made = nullptr;
  const Error error = vendor::instantiate(&made, graph);
  static_cast<void>(gpu().GraphDestroy(graph));
  SLUICE_TRY(check(error, "making a graph of a capture"));
  return Graph(made);
}

Status Graph::launch(Stream stream) const {
  return check(
      gpu().GraphLaunch(static_cast<vendor::GraphExecHandle>(handle_.get()), native(stream)),
      "launching a graph");
}

// ---- memory of the host ----

Status pin(void* memory, std::uint64_t bytes) {
  const BesideCaptures beside;
  SLUICE_TRY(check(gpu().HostRegister(memory, bytes, vendor::kPinnedForAll),
                   "pinning {} bytes of memory of the host", bytes));
  void* there = nullptr;
  const Error error = gpu().HostGetDevicePointer(&there, memory, 0);
  if (error == vendor::kSuccess && there == memory) return {};
  static_cast<void>(unpin(memory));
  SLUICE_TRY(check(error, "looking for {} bytes of pinned memory", bytes));
  return fail(Errc::kGpuError, "another address",
              "kernels see pinned memory of the host at another address than the host");
}

Status unpin(void* memory) {
  const BesideCaptures beside;
  return check(gpu().HostUnregister(memory), "unpinning memory of the host at {}", memory);
}

}  // namespace sluice::device
