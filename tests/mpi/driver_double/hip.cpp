// libamdhip64.so for machines without a GPU: the calls of HIP's runtime that the MPI door and these
// tests make, with host threads in place of kernels. Two GPUs. One of release 5, or with
// SLUICE_TEST_ROCM=7 of release 7, which has other numbers for kinds of memory (as 6 has), and
// keeps an error until it is asked for.
//
// What HIP does, too: the first call starts the runtime, and one that fails leaves its error.
#define __HIP_DISABLE_CPP_FUNCTIONS__
#include <hip/hip_runtime_api.h>
#include <hsa/hsa_ext_amd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "driver_double/memory.hpp"

namespace {

using namespace driver_double;

constexpr int kDevices = 2;
constexpr int kRocm5 = 50200000, kRocm7 = 70000000;

std::atomic<int> calls_made{0};
thread_local hipError_t last_error = hipSuccess;
thread_local int current_device = 0;

bool is_rocm_7() {
  static const char* const release = std::getenv("SLUICE_TEST_ROCM");
  return release != nullptr && std::strcmp(release, "7") == 0;
}

/// What every call returns, which starts the runtime if it is the first.
hipError_t ended(hipError_t error) {
  ++calls_made;
  if (error != hipSuccess || !is_rocm_7()) last_error = error;
  return error;
}
hipError_t ended_by(bool succeeded) { return ended(succeeded ? hipSuccess : hipErrorInvalidValue); }

/// A stream is the device that it was made for.
int streams_of[kDevices] = {0, 1};
int device_of(hipStream_t stream) {
  return stream == nullptr ? current_device : *reinterpret_cast<int*>(stream);
}

}  // namespace

// Named as HIP names them.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {

/// For tests: how many calls there have been.
int driver_double_calls() { return calls_made; }

hsa_status_t hsa_amd_pointer_info(const void* memory, hsa_amd_pointer_info_t* info,
                                  void* (*)(std::size_t), std::uint32_t*, hsa_agent_t**) {
  if (calls_made == 0) return HSA_STATUS_ERROR_NOT_INITIALIZED;
  if (info->size < sizeof *info) return HSA_STATUS_ERROR_INVALID_ARGUMENT;
  info->type = owner_of(memory) ? HSA_EXT_POINTER_TYPE_HSA : HSA_EXT_POINTER_TYPE_UNKNOWN;
  return HSA_STATUS_SUCCESS;
}

hipError_t hipRuntimeGetVersion(int* version) {
  *version = is_rocm_7() ? kRocm7 : kRocm5;
  return ended(hipSuccess);
}
hipError_t hipGetLastError() {
  ++calls_made;
  return std::exchange(last_error, hipSuccess);
}
const char* hipGetErrorString(hipError_t error) {
  return error == hipErrorLaunchFailure ? "unspecified launch failure" : "an error of the double";
}
hipError_t hipGetDeviceCount(int* devices) {
  *devices = kDevices;
  return ended(hipSuccess);
}
hipError_t hipGetDevice(int* device) {
  *device = current_device;
  return ended(hipSuccess);
}
hipError_t hipSetDevice(int device) {
  if (device < 0 || device >= kDevices) return ended(hipErrorInvalidDevice);
  current_device = device;
  return ended(hipSuccess);
}
hipError_t hipDeviceGetAttribute(int* value, hipDeviceAttribute_t attribute, int) {
  *value = 4;
  return ended_by(attribute == hipDeviceAttributeMultiprocessorCount);
}
hipError_t hipPointerGetAttributes(hipPointerAttribute_t* attributes, const void* memory) {
  const std::optional<Owner> owner = owner_of(memory);
  *attributes = {};
  if (!owner && !is_rocm_7()) return ended(hipErrorInvalidValue);
  const int host = is_rocm_7() ? 1 : 0, unregistered = 0;
  const int kind = !owner ? unregistered : owner->is_device ? host + 1 : host;
  std::memcpy(static_cast<void*>(attributes), &kind, sizeof kind);  // a field of two names
  attributes->device = owner ? owner->device : -2;
  if (owner && fails("query")) return ended(hipErrorMemoryAllocation);
  return ended(hipSuccess);
}
hipError_t hipMalloc(void** memory, std::size_t bytes) {
  return ended_by(allocate_device(memory, bytes, current_device));
}
hipError_t hipFree(void* memory) { return ended_by(free_device(memory)); }
hipError_t hipHostMalloc(void** memory, std::size_t bytes, unsigned flags) {
  return ended_by(flags == hipHostMallocDefault && allocate_pinned(memory, bytes));
}
hipError_t hipHostFree(void* memory) { return ended_by(free_pinned(memory)); }
hipError_t hipMemcpy(void* to, const void* from, std::size_t bytes, hipMemcpyKind kind) {
  const auto on_device = [](const void* memory) {
    const std::optional<Owner> owner = owner_of(memory);
    return owner && owner->is_device;
  };
  if (kind != hipMemcpyDefault &&
      !(kind == hipMemcpyDeviceToDevice && on_device(to) && on_device(from)))
    return ended(hipErrorInvalidValue);
  copy(to, from, bytes);
  return ended(hipSuccess);
}
hipError_t hipMemcpyAsync(void* to, const void* from, std::size_t bytes, hipMemcpyKind kind,
                          hipStream_t stream) {
  if (fails("copy")) return ended(hipErrorLaunchFailure);
  if (device_of(stream) != current_device) return ended(hipErrorInvalidHandle);
  for (const void* const each : {static_cast<const void*>(to), from})
    if (const std::optional<Owner> owner = owner_of(each);
        owner && owner->is_device && owner->device != current_device)
      return ended(hipErrorInvalidValue);  // without access to each other
  return hipMemcpy(to, from, bytes, kind);
}
hipError_t hipMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                            std::size_t from_pitch, std::size_t width, std::size_t height,
                            hipMemcpyKind kind, hipStream_t stream) {
  for (std::size_t row = 0; row < height; ++row)
    if (hipMemcpyAsync(static_cast<std::byte*>(to) + row * to_pitch,
                       static_cast<const std::byte*>(from) + row * from_pitch, width, kind,
                       stream) != hipSuccess)
      return last_error;
  return ended(hipSuccess);
}
hipError_t hipMemset(void* memory, int value, std::size_t bytes) {
  std::memset(inside(memory, bytes), value, bytes);
  return ended(hipSuccess);
}
hipError_t hipStreamCreateWithFlags(hipStream_t* stream, unsigned flags) {
  *stream = reinterpret_cast<hipStream_t>(&streams_of[current_device]);
  return ended_by(flags == hipStreamNonBlocking);
}
hipError_t hipStreamSynchronize(hipStream_t) { return ended(hipSuccess); }
hipError_t hipThreadExchangeStreamCaptureMode(hipStreamCaptureMode* mode) {
  thread_local hipStreamCaptureMode current = hipStreamCaptureModeGlobal;
  std::swap(current, *mode);
  return ended(hipSuccess);
}
hipError_t hipModuleLoadData(hipModule_t* module, const void* image) {
  // What hipcc --genco makes begins so.
  constexpr char kMagic[] = "__CLANG_OFFLOAD_BUNDLE__";
  if (fails("load")) return ended(hipErrorNoBinaryForGpu);
  *module = reinterpret_cast<hipModule_t>(&streams_of);
  return ended_by(std::memcmp(image, kMagic, sizeof kMagic - 1) == 0);
}
hipError_t hipModuleGetFunction(hipFunction_t* function, hipModule_t, const char* name) {
  *function = static_cast<hipFunction_t>(kernel_named(name));
  return ended_by(*function != nullptr);
}
hipError_t hipModuleLaunchKernel(hipFunction_t function, unsigned, unsigned, unsigned, unsigned,
                                 unsigned, unsigned, unsigned, hipStream_t stream, void** arguments,
                                 void**) {
  if (fails("launch")) return ended(hipErrorLaunchFailure);
  if (device_of(stream) != current_device) return ended(hipErrorInvalidHandle);
  run_kernel(function, arguments, current_device);
  return ended(hipSuccess);
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
