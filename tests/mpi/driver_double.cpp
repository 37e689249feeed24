// libcuda.so.1 for machines without a GPU: the calls of CUDA's driver that the MPI door and these
// tests make, with host threads in place of kernels. Its device memory cannot be touched by the
// host at the addresses that programs see: whoever passes such a pointer to an MPI library that
// knows of no GPU ends there, as on a device.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "datatype/gpu/kernels.hpp"
#include "datatype/gpu/move.hpp"

namespace {

using sluice::datatype::gpu::Plan;

constexpr int kSuccess = 0, kInvalidValue = 1, kInvalidContext = 201, kLaunchFailed = 719;
constexpr unsigned kHostMemory = 1, kDeviceMemory = 2;

struct Allocation {
  std::size_t bytes = 0;
  std::byte* inside = nullptr;  ///< where it can be touched: another mapping of the same pages
  unsigned type = kHostMemory;
};

/// By first address. Never destroyed.
std::map<std::uintptr_t, Allocation>& allocations() {
  static auto* const all = new std::map<std::uintptr_t, Allocation>;
  return *all;
}
std::mutex mutex;

int the_context = 0;
thread_local int contexts_pushed = 0;
thread_local bool context_set = false;

bool has_context() { return contexts_pushed > 0 || context_set; }

/// With the lock: null for memory that the driver does not know.
const Allocation* allocation_of(std::uintptr_t address, std::uintptr_t* first) {
  auto after = allocations().upper_bound(address);
  if (after == allocations().begin()) return nullptr;
  --after;
  *first = after->first;
  return address - after->first < after->second.bytes ? &after->second : nullptr;
}

/// Where `bytes` at an address can be touched; null if they are not all of one allocation.
std::byte* inside(std::uintptr_t address, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  std::uintptr_t first = 0;
  const Allocation* const found = allocation_of(address, &first);
  if (found == nullptr || address - first + bytes > found->bytes) return nullptr;
  return found->inside + (address - first);
}

int make_device_memory(std::uint64_t* memory, std::size_t bytes) {
  const int file = ::memfd_create("driver-double", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(bytes)) != 0) return kInvalidValue;
  void* const seen = ::mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, file, 0);
  void* const touched = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (seen == MAP_FAILED || touched == MAP_FAILED) return kInvalidValue;
  *memory = reinterpret_cast<std::uint64_t>(seen);
  const std::lock_guard lock(mutex);
  allocations()[*memory] = {bytes, static_cast<std::byte*>(touched), kDeviceMemory};
  return kSuccess;
}

/// Device or pinned memory: anything else a kernel cannot reach.
std::byte* reached(const std::byte* address, std::size_t bytes) {
  std::byte* const found = inside(reinterpret_cast<std::uintptr_t>(address), bytes);
  if (found == nullptr) {
    std::fprintf(stderr, "driver double: a kernel at %p, which is no memory of a GPU\n",
                 static_cast<const void*>(address));
    std::abort();
  }
  return found;
}

/// The kernel, one word after the other, each of them looked up.
void run(bool packs, Plan plan, std::byte* user, std::byte* packed) {
  if (plan.offsets != nullptr)
    plan.offsets = reinterpret_cast<const std::int64_t*>(
        reached(reinterpret_cast<const std::byte*>(plan.offsets), sizeof(std::int64_t)));
  if (plan.blocks == sluice::datatype::gpu::Blocks::kFields)
    plan.packed_before = reinterpret_cast<const std::uint64_t*>(
        reached(reinterpret_cast<const std::byte*>(plan.packed_before), sizeof(std::uint64_t)));
  for (std::uint64_t word = 0; word < plan.words; ++word) {
    std::byte* const there =
        reached(user + sluice::datatype::gpu::place_of_word(plan, word), plan.word);
    std::byte* const here = reached(packed + word * plan.word, plan.word);
    std::memcpy(packs ? here : there, packs ? there : here, plan.word);
  }
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

bool fails(const char* call) {
  const char* const failing = std::getenv("SLUICE_TEST_GPU_FAILS");
  return failing != nullptr && std::strcmp(failing, call) == 0;
}

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
int cuPointerGetAttribute(void* data, int attribute, std::uint64_t pointer) {
  const std::lock_guard lock(mutex);
  std::uintptr_t first = 0;
  const Allocation* const found = allocation_of(pointer, &first);
  if (found == nullptr) return kInvalidValue;
  if (attribute == 1)
    *static_cast<void**>(data) = &the_context;
  else if (attribute == 2)
    *static_cast<unsigned*>(data) = found->type;
  else
    return kInvalidValue;
  return kSuccess;
}
int cuMemAlloc_v2(std::uint64_t* memory, std::size_t bytes) {
  if (!has_context()) return kInvalidContext;
  return make_device_memory(memory, bytes);
}
int cuMemFree_v2(std::uint64_t memory) {
  const std::lock_guard lock(mutex);
  const auto found = allocations().find(memory);
  if (found == allocations().end() || found->second.type != kDeviceMemory) return kInvalidValue;
  ::munmap(found->second.inside, found->second.bytes);
  ::munmap(reinterpret_cast<void*>(memory), found->second.bytes);
  allocations().erase(found);
  return kSuccess;
}
int cuMemHostAlloc(void** memory, std::size_t bytes, unsigned) {
  if (!has_context()) return kInvalidContext;
  auto* const base = static_cast<std::byte*>(std::malloc(bytes));
  if (base == nullptr) return kInvalidValue;
  *memory = base;
  const std::lock_guard lock(mutex);
  allocations()[reinterpret_cast<std::uintptr_t>(base)] = {bytes, base, kHostMemory};
  return kSuccess;
}
int cuMemFreeHost(void* memory) {
  const std::lock_guard lock(mutex);
  if (allocations().erase(reinterpret_cast<std::uintptr_t>(memory)) == 0) return kInvalidValue;
  std::free(memory);
  return kSuccess;
}
int cuMemcpy(std::uint64_t to, std::uint64_t from, std::size_t bytes) {
  if (!has_context()) return kInvalidContext;
  std::byte* const target = inside(to, bytes);
  const std::byte* const source = inside(from, bytes);
  // Unknown to the driver: of the host.
  std::memcpy(target != nullptr ? target : reinterpret_cast<std::byte*>(to),
              source != nullptr ? source : reinterpret_cast<const std::byte*>(from), bytes);
  return kSuccess;
}
int cuMemcpyAsync(std::uint64_t to, std::uint64_t from, std::size_t bytes, void*) {
  if (fails("copy")) return kLaunchFailed;
  return cuMemcpy(to, from, bytes);
}
int cuMemsetD8_v2(std::uint64_t memory, unsigned char value, std::size_t bytes) {
  std::memset(inside(memory, bytes), value, bytes);
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
  *module = &the_context;
  return kSuccess;
}
int cuModuleGetFunction(void** function, void*, const char* name) {
  static int kernels[2];
  if (std::strcmp(name, sluice::datatype::gpu::kPackName) == 0)
    *function = &kernels[0];
  else if (std::strcmp(name, sluice::datatype::gpu::kUnpackName) == 0)
    *function = &kernels[1];
  else
    return kInvalidValue;
  return kSuccess;
}
int cuLaunchKernel(void* function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                   unsigned, void*, void** arguments, void**) {
  void* pack = nullptr;
  cuModuleGetFunction(&pack, nullptr, sluice::datatype::gpu::kPackName);
  if (!has_context()) return kInvalidContext;
  if (fails("launch")) return kLaunchFailed;
  const Plan& plan = *static_cast<const Plan*>(arguments[0]);
  auto* const first = *static_cast<std::byte**>(arguments[1]);
  auto* const second = *static_cast<std::byte**>(arguments[2]);
  const bool packs = function == pack;
  run(packs, plan, packs ? first : second, packs ? second : first);
  return kSuccess;
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)
