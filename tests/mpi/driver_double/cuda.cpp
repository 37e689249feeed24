// libcuda.so.1 for machines without a GPU: the calls of CUDA's driver that the MPI door and these
// tests make, with host threads in place of kernels.
#include <cstdint>
#include <cstring>

#include "driver_double/memory.hpp"

namespace {

using namespace driver_double;

constexpr int kSuccess = 0, kInvalidValue = 1, kInvalidContext = 201, kNoBinaryForGpu = 209,
              kLaunchFailed = 719;
constexpr unsigned kHostMemory = 1, kDeviceMemory = 2;

int the_context = 0;
thread_local int contexts_pushed = 0;
thread_local bool context_set = false;

bool has_context() { return contexts_pushed > 0 || context_set; }

void* pointer(std::uint64_t memory) { return reinterpret_cast<void*>(memory); }

/// What a call in a context returns.
int ended_by(bool succeeded) {
  if (!has_context()) return kInvalidContext;
  return succeeded ? kSuccess : kInvalidValue;
}

/// The driver's, of which only copies from the beginning of one memory to that of another are done.
struct Copy2D {
  std::size_t from_x, from_y;
  int from_kind;
  const void* from_host;
  std::uint64_t from;
  void* from_array;
  std::size_t from_pitch;
  std::size_t to_x, to_y;
  int to_kind;
  void* to_host;
  std::uint64_t to;
  void* to_array;
  std::size_t to_pitch;
  std::size_t width, height;
};

}  // namespace

// Named as the driver names them.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" {

int cuInit(unsigned) { return kSuccess; }
int cuGetErrorString(int error, const char** text) {
  *text = error == kLaunchFailed ? "unspecified launch failure" : "an error of the double";
  return kSuccess;
}
int cuDevicePrimaryCtxRetain(void** context, int) {
  *context = &the_context;
  return kSuccess;
}
int cuCtxSetCurrent(void* context) {
  context_set = context != nullptr;
  return kSuccess;
}
int cuCtxPushCurrent_v2(void* context) {
  if (context != &the_context) return kInvalidContext;
  ++contexts_pushed;
  return kSuccess;
}
int cuCtxPopCurrent_v2(void** context) {
  if (contexts_pushed == 0) return kInvalidContext;
  --contexts_pushed;
  *context = &the_context;
  return kSuccess;
}
int cuCtxGetDevice(int* device) {
  *device = 0;
  return has_context() ? kSuccess : kInvalidContext;
}
int cuDeviceGetAttribute(int* value, int, int) {
  *value = 4;
  return kSuccess;
}
int cuPointerGetAttribute(void* data, int attribute, std::uint64_t memory) {
  const std::optional<Owner> owner = owner_of(pointer(memory));
  if (!owner) return kInvalidValue;
  if (attribute == 1)
    *static_cast<void**>(data) = &the_context;
  else if (attribute == 2)
    *static_cast<unsigned*>(data) = owner->is_device ? kDeviceMemory : kHostMemory;
  else
    return kInvalidValue;
  return kSuccess;
}
int cuMemAlloc_v2(std::uint64_t* memory, std::size_t bytes) {
  void* allocated = nullptr;
  const int ended = ended_by(has_context() && allocate_device(&allocated, bytes, 0));
  *memory = reinterpret_cast<std::uint64_t>(allocated);
  return ended;
}
int cuMemFree_v2(std::uint64_t memory) {
  return free_device(pointer(memory)) ? kSuccess : kInvalidValue;
}
int cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return ended_by(has_context() && allocate_pinned(memory, bytes));
}
int cuMemFreeHost(void* memory) { return free_pinned(memory) ? kSuccess : kInvalidValue; }
int cuMemcpy(std::uint64_t to, std::uint64_t from, std::size_t bytes) {
  if (!has_context()) return kInvalidContext;
  copy(pointer(to), pointer(from), bytes);
  return kSuccess;
}
int cuMemcpyAsync(std::uint64_t to, std::uint64_t from, std::size_t bytes, void*) {
  if (fails("copy")) return kLaunchFailed;
  return cuMemcpy(to, from, bytes);
}
int cuMemsetD8_v2(std::uint64_t memory, unsigned char value, std::size_t bytes) {
  std::memset(inside(pointer(memory), bytes), value, bytes);
  return kSuccess;
}
int cuMemcpy2DAsync_v2(const Copy2D* call, void*) {
  for (std::size_t row = 0; row < call->height; ++row)
    if (const int error = cuMemcpy(call->to + row * call->to_pitch,
                                   call->from + row * call->from_pitch, call->width);
        error != kSuccess)
      return error;
  return kSuccess;
}
int cuStreamCreate(void** stream, unsigned) {
  *stream = &the_context;
  return has_context() ? kSuccess : kInvalidContext;
}
int cuStreamSynchronize(void*) { return has_context() ? kSuccess : kInvalidContext; }
int cuThreadExchangeStreamCaptureMode(int* mode) {
  thread_local int current = 0;
  const int before = current;
  current = *mode;
  *mode = before;
  return kSuccess;
}
int cuModuleLoadData(void** module, const void* image) {
  // A fat binary begins so.
  constexpr std::uint32_t kMagic = 0xba55ed50;
  std::uint32_t begin = 0;
  std::memcpy(&begin, image, sizeof begin);
  if (begin != kMagic || !has_context()) return kInvalidValue;
  if (fails("load")) return kNoBinaryForGpu;
  *module = &the_context;
  return kSuccess;
}
int cuModuleGetFunction(void** function, void*, const char* name) {
  *function = kernel_named(name);
  return *function != nullptr ? kSuccess : kInvalidValue;
}
int cuLaunchKernel(void* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                   unsigned, void*, void** arguments, void**) {
  if (!has_context()) return kInvalidContext;
  if (fails("launch")) return kLaunchFailed;
  run_kernel(function, arguments, 0);
  return kSuccess;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
