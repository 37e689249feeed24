// device.hpp with the CUDA runtime.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstring>

#include "base/error.hpp"
#include "device/cuda_captures.hpp"
#include "device/device.hpp"

namespace sluice::device {
namespace {

cudaStream_t native(Stream stream) { return static_cast<cudaStream_t>(stream.handle); }

/// Whether there is nothing that could run a kernel, as opposed to a call that went wrong.
bool means_none(cudaError_t error) {
  return error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice ||
         error == cudaErrorSystemDriverMismatch || error == cudaErrorSystemNotReady ||
         error == cudaErrorInitializationError || error == cudaErrorStubLibrary;
}

std::string text_of(cudaError_t error) {
  return fmt::format("{} ({}, {})", cudaGetErrorString(error), cudaGetErrorName(error),
                     static_cast<int>(error));
}

template <class... Values>
Status check(cudaError_t error, fmt::format_string<Values...> doing, Values&&... values) {
  if (error == cudaSuccess) [[likely]]
    return {};
  static_cast<void>(cudaGetLastError());  // else the program's next look at it would find ours
  const std::string what = fmt::format(doing, std::forward<Values>(values)...);
  if (means_none(error))
    return fail(Errc::kSystemError, "no CUDA device",
                fmt::format("{}: no CUDA device can be used here: {}", what, text_of(error)));
  return fail(Errc::kGpuError, "a CUDA call failed", fmt::format("{}: {}", what, text_of(error)));
}

}  // namespace

Result<int> count() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error == cudaSuccess && devices > 0) return devices;
  static_cast<void>(cudaGetLastError());
  return Status(Errc::kSystemError, "no CUDA device");
}

std::string why_none() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error == cudaSuccess) return devices > 0 ? "" : "the driver shows no device";
  static_cast<void>(cudaGetLastError());
  return text_of(error);
}

Result<Facts> facts(int device) {
  const BesideCaptures beside;
  cudaDeviceProp properties{};
  SLUICE_TRY(check(cudaGetDeviceProperties(&properties, device), "asking after device {}", device));
  Facts found;
  static_assert(sizeof properties.uuid.bytes == sizeof found.uuid);
  std::memcpy(found.uuid.data(), properties.uuid.bytes, found.uuid.size());
  found.multiprocessors = properties.multiProcessorCount;
  found.major = properties.major;
  found.minor = properties.minor;
  found.cache_bytes = static_cast<std::uint64_t>(properties.l2CacheSize);
  found.reads_pageable = properties.pageableMemoryAccess != 0;
  found.name = properties.name;
  return found;
}

Result<int> current() {
  int device = 0;
  SLUICE_TRY(check(cudaGetDevice(&device), "asking for the current device"));
  return device;
}

Status use(int device) { return check(cudaSetDevice(device), "using device {}", device); }

Using::Using(int device) {
  int before = 0;
  status_ = check(cudaGetDevice(&before), "asking for the current device");
  if (!status_.ok() || before == device) return;
  status_ = use(device);
  if (status_.ok()) before_ = before;
}

Using::~Using() {
  if (before_ >= 0) static_cast<void>(cudaSetDevice(before_));
}

Result<void*> allocate(std::uint64_t bytes) {
  const BesideCaptures beside;
  void* memory = nullptr;
  SLUICE_TRY(check(cudaMalloc(&memory, bytes), "allocating {} bytes of device memory", bytes));
  if (const Status cleared = clear(memory, bytes); !cleared.ok()) {
    static_cast<void>(cudaFree(memory));
    return cleared;
  }
  return memory;
}

Status release(void* memory) {
  const BesideCaptures beside;
  return check(cudaFree(memory), "releasing the device memory at {}", memory);
}

Status clear(void* memory, std::uint64_t bytes) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const OwnStream stream, OwnStream::create());
  SLUICE_TRY(check(cudaMemsetAsync(memory, 0, bytes, native(stream.stream())),
                   "clearing {} bytes of device memory", bytes));
  return stream.wait();
}

Result<void*> allocate_pinned(std::uint64_t bytes) {
  const BesideCaptures beside;
  void* memory = nullptr;
  SLUICE_TRY(check(cudaHostAlloc(&memory, bytes, cudaHostAllocMapped | cudaHostAllocPortable),
                   "allocating {} bytes of pinned memory", bytes));
  std::memset(memory, 0, bytes);
  return memory;
}

Status release_pinned(void* memory) {
  const BesideCaptures beside;
  return check(cudaFreeHost(memory), "releasing the pinned memory at {}", memory);
}

Result<void*> allocate_on(Stream stream, std::uint64_t bytes) {
  void* memory = nullptr;
  SLUICE_TRY(check(cudaMallocAsync(&memory, bytes, native(stream)),
                   "allocating {} bytes of device memory on a stream", bytes));
  return memory;
}

Status release_on(Stream stream, void* memory) {
  return check(cudaFreeAsync(memory, native(stream)), "releasing device memory on a stream");
}

Status copy(void* to, const void* from, std::uint64_t bytes) {
  if (bytes == 0) return {};
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const OwnStream stream, OwnStream::create());
  SLUICE_TRY(copy_on(stream.stream(), to, from, bytes));
  return stream.wait();
}

Status copy_on(Stream stream, void* to, const void* from, std::uint64_t bytes) {
  return check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, native(stream)),
               "copying {} bytes", bytes);
}

Result<Place> place_of(const void* pointer) {
  cudaPointerAttributes attributes{};
  SLUICE_TRY(check(cudaPointerGetAttributes(&attributes, pointer), "looking at {}", pointer));
  switch (attributes.type) {
    case cudaMemoryTypeDevice: return Place{MemoryKind::kDevice, true, attributes.device};
    case cudaMemoryTypeManaged: return Place{MemoryKind::kDevice, true, -1};
    case cudaMemoryTypeHost: return Place{MemoryKind::kHost, true, -1};
    default: return Place{};
  }
}

Result<Handle> share(void* allocation) {
  const BesideCaptures beside;
  cudaIpcMemHandle_t native_handle{};
  SLUICE_TRY(check(cudaIpcGetMemHandle(&native_handle, allocation),
                   "making a handle of device memory for other processes"));
  Handle handle;
  static_assert(sizeof native_handle == sizeof handle.bytes);
  std::memcpy(handle.bytes.data(), &native_handle, sizeof native_handle);
  return handle;
}

Result<void*> open(const Handle& handle) {
  const BesideCaptures beside;
  cudaIpcMemHandle_t native_handle{};
  std::memcpy(&native_handle, handle.bytes.data(), sizeof native_handle);
  void* opened = nullptr;
  SLUICE_TRY(check(cudaIpcOpenMemHandle(&opened, native_handle, cudaIpcMemLazyEnablePeerAccess),
                   "opening another process's device memory"));
  return opened;
}

Status close(void* opened) {
  const BesideCaptures beside;
  return check(cudaIpcCloseMemHandle(opened), "closing another process's device memory");
}

Result<bool> reach(int peer) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const int own, current());
  if (own == peer) return true;
  int can = 0;
  SLUICE_TRY(check(cudaDeviceCanAccessPeer(&can, own, peer),
                   "asking whether device {} reaches device {}", own, peer));
  if (can == 0) return false;
  const cudaError_t error = cudaDeviceEnablePeerAccess(peer, 0);
  if (error == cudaErrorPeerAccessAlreadyEnabled) {
    static_cast<void>(cudaGetLastError());
    return true;
  }
  SLUICE_TRY(check(error, "letting device {} reach device {}", own, peer));
  return true;
}

Result<int> blocks_at_once(const void* kernel, unsigned threads) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const int device, current());
  int blocks = 0, processors = 0;
  SLUICE_TRY(check(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(threads), 0),
      "asking how many blocks of {} threads fit on device {}", threads, device));
  SLUICE_TRY(check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device),
                   "asking after device {}", device));
  return blocks * processors;
}

Status launch(const void* kernel, unsigned blocks, unsigned threads, void** arguments,
              Stream stream) {
  return check(cudaLaunchKernel(kernel, dim3(blocks), dim3(threads), arguments, 0, native(stream)),
               "launching a kernel of {} blocks", blocks);
}

// ---- streams, events, graphs ----

void CloseStream::operator()(void* stream) const {
  static_cast<void>(cudaStreamDestroy(static_cast<cudaStream_t>(stream)));
}
void CloseEvent::operator()(void* event) const {
  static_cast<void>(cudaEventDestroy(static_cast<cudaEvent_t>(event)));
}
void CloseGraph::operator()(void* graph) const {
  static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph)));
}

Result<OwnStream> OwnStream::create() {
  cudaStream_t stream = nullptr;
  SLUICE_TRY(check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream"));
  return OwnStream(stream);
}

Status OwnStream::wait() const {
  const BesideCaptures beside;
  return check(cudaStreamSynchronize(native(stream())), "waiting for a stream");
}

Result<std::uint64_t> capture_of(Stream stream) {
  cudaStreamCaptureStatus state = cudaStreamCaptureStatusNone;
  unsigned long long id = 0;
  SLUICE_TRY(check(cudaStreamGetCaptureInfo(native(stream), &state, &id),
                   "asking whether a stream is being captured"));
  return state == cudaStreamCaptureStatusNone ? 0 : std::uint64_t{id};
}

Result<Event> Event::create(Time time) {
  const unsigned flags = time == Time::kTaken ? cudaEventDefault : cudaEventDisableTiming;
  cudaEvent_t event = nullptr;
  SLUICE_TRY(check(cudaEventCreateWithFlags(&event, flags), "making an event"));
  return Event(event);
}

Status Event::record(Stream stream) const {
  return check(cudaEventRecord(static_cast<cudaEvent_t>(handle_.get()), native(stream)),
               "recording an event");
}

Status Event::wait() const {
  return check(cudaEventSynchronize(static_cast<cudaEvent_t>(handle_.get())),
               "waiting for an event");
}

Status Event::holds_up(Stream stream) const {
  return check(cudaStreamWaitEvent(native(stream), static_cast<cudaEvent_t>(handle_.get()), 0),
               "letting a stream wait for an event");
}

Result<bool> Event::done() const {
  const BesideCaptures beside;
  const cudaError_t error = cudaEventQuery(static_cast<cudaEvent_t>(handle_.get()));
  if (error == cudaErrorNotReady) return false;
  SLUICE_TRY(check(error, "looking at an event"));
  return true;
}

Result<double> Event::between_us(const Event& first, const Event& second) {
  float milliseconds = 0;
  SLUICE_TRY(
      check(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(first.handle_.get()),
                                 static_cast<cudaEvent_t>(second.handle_.get())),
            "asking for the time between events"));
  return static_cast<double>(milliseconds) * 1000;
}

Status Graph::begin(Stream stream) {
  return check(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeThreadLocal),
               "beginning a capture");
}

Result<Graph> Graph::end(Stream stream) {
  cudaGraph_t graph = nullptr;
  SLUICE_TRY(check(cudaStreamEndCapture(native(stream), &graph), "ending a capture"));
  cudaGraphExec_t made = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&made, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  SLUICE_TRY(check(error, "making a graph of a capture"));
  return Graph(made);
}

Status Graph::launch(Stream stream) const {
  return check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(handle_.get()), native(stream)),
               "launching a graph");
}

}  // namespace sluice::device
