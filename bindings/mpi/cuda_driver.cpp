#include "bindings/mpi/cuda_driver.hpp"

#include <dlfcn.h>

#include <mutex>

namespace sluice::mpi::cuda {

namespace {

constinit link_map never_last{};
constinit link_map with_one_behind{
    .l_addr = 0, .l_name = nullptr, .l_ld = nullptr, .l_next = &never_last, .l_prev = nullptr};

/// The last element that was looked at; null: look again.
std::atomic<const link_map*> last_seen{nullptr};
std::atomic<const Driver*> loaded_driver{nullptr};
std::atomic<bool> other_vendors_runtime{false};

bool is_loaded(const char* name) {
  void* const object = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  if (object != nullptr) dlclose(object);
  return object != nullptr;
}

/// Finds functions until one is missing.
class Finder {
 public:
  explicit Finder(void* object) : object_(object) {}
  template <class Found>
  Finder& find(Found*& function, const char* name) {
    function = reinterpret_cast<Found*>(dlsym(object_, name));
    complete_ = complete_ && function != nullptr;
    return *this;
  }
  bool complete() const { return complete_; }

 private:
  void* object_;
  bool complete_ = true;
};

/// Never unloaded from here on: we hold it.
const Driver* find_driver() {
  void* const object = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
  if (object == nullptr) return nullptr;
  static Driver found;
  Finder finder(object);
  finder.find(found.PointerGetAttribute, "cuPointerGetAttribute")
      .find(found.GetErrorString, "cuGetErrorString")
      .find(found.CtxPushCurrent, "cuCtxPushCurrent_v2")
      .find(found.CtxPopCurrent, "cuCtxPopCurrent_v2")
      .find(found.CtxGetDevice, "cuCtxGetDevice")
      .find(found.DevicePrimaryCtxRetain, "cuDevicePrimaryCtxRetain")
      .find(found.DeviceGetAttribute, "cuDeviceGetAttribute")
      .find(found.MemAlloc, "cuMemAlloc_v2")
      .find(found.MemFree, "cuMemFree_v2")
      .find(found.MemHostAlloc, "cuMemHostAlloc")
      .find(found.MemFreeHost, "cuMemFreeHost")
      .find(found.MemcpyAsync, "cuMemcpyAsync")
      .find(found.StreamCreate, "cuStreamCreate")
      .find(found.StreamSynchronize, "cuStreamSynchronize")
      .find(found.ThreadExchangeStreamCaptureMode, "cuThreadExchangeStreamCaptureMode")
      .find(found.ModuleLoadData, "cuModuleLoadData")
      .find(found.ModuleGetFunction, "cuModuleGetFunction")
      .find(found.LaunchKernel, "cuLaunchKernel");
  if (finder.complete()) return &found;
  // A driver that we cannot use: nothing is known of any pointer.
  other_vendors_runtime = true;
  return nullptr;
}

void look_again() {
  static std::mutex mutex;
  static void* kept = nullptr;
  const std::lock_guard lock(mutex);
  const link_map* last = _r_debug.r_map;
  while (last != nullptr && last->l_next != nullptr) last = last->l_next;
  if (last == nullptr) return;
  void* const keep =
      *last->l_name != '\0' ? dlopen(last->l_name, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
  if (loaded_driver.load(std::memory_order_relaxed) == nullptr) loaded_driver = find_driver();
  for (const char* name : {"libamdhip64.so.5", "libamdhip64.so.6", "libamdhip64.so.7",
                           "libamdhip64.so", "libze_loader.so.1"})
    if (is_loaded(name)) other_vendors_runtime = true;
  // One that cannot be kept might go, and its memory with it: then we look at every call.
  const bool any_gpu = loaded_driver.load() != nullptr || other_vendors_runtime.load();
  detail::last_without_gpu.store(keep == nullptr || any_gpu ? &with_one_behind : last,
                                 std::memory_order_release);
  last_seen.store(keep != nullptr ? last : nullptr, std::memory_order_release);
  if (kept != nullptr) dlclose(kept);
  kept = keep;
}

void look_if_changed() {
  const link_map* const last = last_seen.load(std::memory_order_acquire);
  if (last == nullptr || __atomic_load_n(&last->l_next, __ATOMIC_RELAXED) != nullptr) look_again();
}

}  // namespace

namespace detail {
constinit std::atomic<const link_map*> last_without_gpu{&with_one_behind};
}  // namespace detail

const Driver* driver() {
  look_if_changed();
  return loaded_driver.load(std::memory_order_relaxed);
}

bool other_vendor() {
  look_if_changed();
  return other_vendors_runtime.load(std::memory_order_relaxed);
}

const char* text_of(Error error) {
  const char* text = nullptr;
  const Driver* const known = driver();
  if (known == nullptr || known->GetErrorString(error, &text) != 0 || text == nullptr)
    return "unknown error";
  return text;
}

}  // namespace sluice::mpi::cuda
