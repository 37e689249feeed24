// CUDA, in the words of runtime.cpp. The runtime is linked statically and finds the driver at the
// first call.
#pragma once

#include <cuda_runtime_api.h>

#include <cstring>

#include "device/device.hpp"
#include "device/vendor_functions.hpp"

namespace sluice::device::vendor {

inline constexpr const char* kName = "CUDA";

using Error = cudaError_t;
using StreamHandle = cudaStream_t;
using EventHandle = cudaEvent_t;
using GraphHandle = cudaGraph_t;
using GraphExecHandle = cudaGraphExec_t;
using IpcHandle = cudaIpcMemHandle_t;
using CaptureMode = cudaStreamCaptureMode;
using CaptureStatus = cudaStreamCaptureStatus;
inline constexpr Error kSuccess = cudaSuccess;
inline constexpr Error kNotReady = cudaErrorNotReady;
inline constexpr Error kAlreadyEnabled = cudaErrorPeerAccessAlreadyEnabled;
inline constexpr CaptureMode kRelaxed = cudaStreamCaptureModeRelaxed;
inline constexpr CaptureMode kThreadLocal = cudaStreamCaptureModeThreadLocal;
inline constexpr CaptureStatus kNotCaptured = cudaStreamCaptureStatusNone;
inline constexpr unsigned kNonBlocking = cudaStreamNonBlocking;
inline constexpr unsigned kEventTimed = cudaEventDefault;
inline constexpr unsigned kEventUntimed = cudaEventDisableTiming;
inline constexpr unsigned kPinnedForAll = cudaHostRegisterPortable | cudaHostRegisterMapped;
inline constexpr unsigned kLazyPeerAccess = cudaIpcMemLazyEnablePeerAccess;
inline constexpr auto kAnyDirection = cudaMemcpyDefault;
inline constexpr auto kMultiprocessors = cudaDevAttrMultiProcessorCount;

struct Functions {
#define SLUICE_MEMBER(name) decltype(&::cuda##name) name = &::cuda##name;
  SLUICE_VENDOR_FUNCTIONS(SLUICE_MEMBER)
#undef SLUICE_MEMBER
};
inline constexpr Functions kFunctions;
inline const Functions& functions() { return kFunctions; }

/// Whether there is nothing that could run a kernel, as opposed to a call that went wrong.
inline bool means_none(Error error) {
  return error == cudaErrorInsufficientDriver || error == cudaErrorNoDevice ||
         error == cudaErrorSystemDriverMismatch || error == cudaErrorSystemNotReady ||
         error == cudaErrorInitializationError || error == cudaErrorStubLibrary;
}

inline Error look(int device, Facts& found) {
  cudaDeviceProp properties{};
  if (const Error error = cudaGetDeviceProperties(&properties, device); error != cudaSuccess)
    return error;
  static_assert(sizeof properties.uuid.bytes == sizeof found.uuid);
  std::memcpy(found.uuid.data(), properties.uuid.bytes, found.uuid.size());
  found.multiprocessors = properties.multiProcessorCount;
  found.major = properties.major;
  found.minor = properties.minor;
  found.cache_bytes = static_cast<std::uint64_t>(properties.l2CacheSize);
  found.reads_pageable = properties.pageableMemoryAccess != 0;
  found.name = properties.name;
  return cudaSuccess;
}

/// Memory whose words kernels of other devices poll and raise while a kernel here runs.
inline Error allocate(void** memory, std::uint64_t bytes) { return cudaMalloc(memory, bytes); }

inline Error allocate_on(StreamHandle stream, void** memory, std::uint64_t bytes) {
  return cudaMallocAsync(memory, bytes, stream);
}

inline Error allocate_pinned(void** memory, std::uint64_t bytes) {
  return cudaHostAlloc(memory, bytes, cudaHostAllocMapped | cudaHostAllocPortable);
}
inline Error release_pinned(void* memory) { return cudaFreeHost(memory); }

inline Error locate(const void* pointer, Place& place) {
  cudaPointerAttributes attributes{};
  if (const Error error = cudaPointerGetAttributes(&attributes, pointer); error != cudaSuccess)
    return error;
  switch (attributes.type) {
    case cudaMemoryTypeDevice: place = {MemoryKind::kDevice, true, attributes.device}; break;
    case cudaMemoryTypeManaged: place = {MemoryKind::kDevice, true, -1}; break;
    case cudaMemoryTypeHost: place = {MemoryKind::kHost, true, -1}; break;
    default: place = {};
  }
  return cudaSuccess;
}

/// Blocks of `threads` that a multiprocessor holds at once.
inline Error blocks_at_once(int* blocks, const void* kernel, int threads) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, kernel, threads, 0);
}

inline Error capture_info(StreamHandle stream, CaptureStatus* state, unsigned long long* id) {
  return cudaStreamGetCaptureInfo(stream, state, id);
}

inline Error instantiate(GraphExecHandle* made, GraphHandle graph) {
  return cudaGraphInstantiate(made, graph, 0);
}

}  // namespace sluice::device::vendor
