// HIP, in the words of runtime.cpp. Its runtime, libamdhip64, is loaded at the first call: a
// program that asks for no device runs where there is none.
#pragma once

#define __HIP_DISABLE_CPP_FUNCTIONS__  // overloads have no address
#include <hip/hip_runtime_api.h>

#include <cstring>

#include "device/device.hpp"
#include "device/vendor_functions.hpp"

namespace sluice::device::vendor {

inline constexpr const char* kName = "HIP";

using Error = hipError_t;
using StreamHandle = hipStream_t;
using EventHandle = hipEvent_t;
using GraphHandle = hipGraph_t;
using GraphExecHandle = hipGraphExec_t;
using IpcHandle = hipIpcMemHandle_t;
using CaptureMode = hipStreamCaptureMode;
using CaptureStatus = hipStreamCaptureStatus;
inline constexpr Error kSuccess = hipSuccess;
inline constexpr Error kNotReady = hipErrorNotReady;
inline constexpr Error kAlreadyEnabled = hipErrorPeerAccessAlreadyEnabled;
inline constexpr CaptureMode kRelaxed = hipStreamCaptureModeRelaxed;
inline constexpr CaptureMode kThreadLocal = hipStreamCaptureModeThreadLocal;
inline constexpr CaptureStatus kNotCaptured = hipStreamCaptureStatusNone;
inline constexpr unsigned kNonBlocking = hipStreamNonBlocking;
inline constexpr unsigned kEventTimed = hipEventDefault;
inline constexpr unsigned kEventUntimed = hipEventDisableTiming;
inline constexpr unsigned kPinnedForAll = hipHostRegisterPortable | hipHostRegisterMapped;
inline constexpr unsigned kLazyPeerAccess = hipIpcMemLazyEnablePeerAccess;
inline constexpr auto kAnyDirection = hipMemcpyDefault;
inline constexpr auto kMultiprocessors = hipDeviceAttributeMultiprocessorCount;

/// For the functions below.
#define SLUICE_HIP_FUNCTIONS(X) \
  X(DeviceGetUuid)              \
  X(ExtMallocWithFlags)         \
  X(GetDeviceProperties)        \
  X(GraphInstantiate)           \
  X(HostFree)                   \
  X(HostMalloc)                 \
  X(MemGetAddressRange)         \
  X(PointerGetAttributes)       \
  X(StreamGetCaptureInfo)

struct Functions {
#define SLUICE_MEMBER(name) decltype(&::hip##name) name = nullptr;
  SLUICE_VENDOR_FUNCTIONS(SLUICE_MEMBER)
  SLUICE_HIP_FUNCTIONS(SLUICE_MEMBER)
#undef SLUICE_MEMBER
  // These are overloaded in the header.
  hipError_t (*MallocAsync)(void**, std::size_t, hipStream_t) = nullptr;
  hipError_t (*OccupancyMaxActiveBlocksPerMultiprocessor)(int*, const void*, int,
                                                          std::size_t) = nullptr;

  /// use(name, member) for each.
  template <class Use>
  void for_each(Use use) {
#define SLUICE_USE(name) use("hip" #name, name);
    SLUICE_VENDOR_FUNCTIONS(SLUICE_USE)
    SLUICE_HIP_FUNCTIONS(SLUICE_USE)
    SLUICE_USE(MallocAsync)
    SLUICE_USE(OccupancyMaxActiveBlocksPerMultiprocessor)
#undef SLUICE_USE
  }
};
/// Loads libamdhip64 when first called. Where it cannot be loaded, all functions return
/// hipErrorSharedObjectInitFailed, and GetErrorString says why. Any thread.
const Functions& functions();

/// Whether there is nothing that could run a kernel, as opposed to a call that went wrong. Without
/// a device most functions call each device invalid.
inline bool means_none(Error error) {
  int devices = 0;
  return error == hipErrorNoDevice || error == hipErrorInsufficientDriver ||
         error == hipErrorNotInitialized || error == hipErrorInitializationError ||
         error == hipErrorSharedObjectInitFailed ||
         (error == hipErrorInvalidDevice &&
          functions().GetDeviceCount(&devices) == hipErrorNoDevice);
}

inline Error look(int device, Facts& found) {
  hipDeviceProp_t properties{};
  if (const Error error = functions().GetDeviceProperties(&properties, device); error != hipSuccess)
    return error;
  hipUUID uuid{};
  if (const Error error = functions().DeviceGetUuid(&uuid, device); error != hipSuccess)
    return error;
  static_assert(sizeof uuid.bytes == sizeof found.uuid);
  std::memcpy(found.uuid.data(), uuid.bytes, found.uuid.size());
  found.multiprocessors = properties.multiProcessorCount;
  found.major = properties.major;
  found.minor = properties.minor;
  found.cache_bytes = static_cast<std::uint64_t>(properties.l2CacheSize);
  found.reads_pageable = properties.pageableMemoryAccess != 0;
  found.name = properties.name;
  return hipSuccess;
}

/// Memory whose words kernels of other devices poll and raise while a kernel here runs: only the
/// fine-grained kind is kept coherent before a kernel ends.
inline Error allocate(void** memory, std::uint64_t bytes) {
  return functions().ExtMallocWithFlags(memory, bytes, hipDeviceMallocFinegrained);
}

inline Error allocate_on(StreamHandle stream, void** memory, std::uint64_t bytes) {
  return functions().MallocAsync(memory, bytes, stream);
}

inline Error allocate_pinned(void** memory, std::uint64_t bytes) {
  return functions().HostMalloc(
      memory, bytes, hipHostMallocMapped | hipHostMallocPortable | hipHostMallocCoherent);
}
inline Error release_pinned(void* memory) { return functions().HostFree(memory); }

inline Error locate(const void* pointer, Place& place) {
  hipPointerAttribute_t attributes{};
  const Error error = functions().PointerGetAttributes(&attributes, pointer);
  place = {};
  if (error == hipErrorInvalidValue) {  // ordinary memory, of which HIP knows nothing
    static_cast<void>(functions().GetLastError());
    return hipSuccess;
  }
  if (error != hipSuccess) return error;
  if (attributes.isManaged != 0)
    place = {MemoryKind::kDevice, true, -1};
  else if (attributes.memoryType == hipMemoryTypeDevice)
    place = {MemoryKind::kDevice, true, attributes.device};
  else if (attributes.memoryType == hipMemoryTypeHost)
    place = {MemoryKind::kHost, true, -1};
  return hipSuccess;
}

/// Blocks of `threads` that a compute unit holds at once.
inline Error blocks_at_once(int* blocks, const void* kernel, int threads) {
  return functions().OccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, threads, 0);
}

inline Error capture_info(StreamHandle stream, CaptureStatus* state, unsigned long long* id) {
  return functions().StreamGetCaptureInfo(stream, state, id);
}

inline Error instantiate(GraphExecHandle* made, GraphHandle graph) {
  return functions().GraphInstantiate(made, graph, nullptr, nullptr, 0);
}

}  // namespace sluice::device::vendor
