#include "bindings/mpi/device.hpp"

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <cstdint>
#include <mutex>

namespace sluice::mpi::device {
namespace {

using PointerGetAttribute = int (*)(void* data, int attribute, std::uint64_t pointer);
constexpr int kMemoryType = 2;  // CU_POINTER_ATTRIBUTE_MEMORY_TYPE
constexpr unsigned kHost = 1;   // CU_MEMORYTYPE_HOST

/// The objects of a process are a list that grows at its end, so one look at the last element seen
/// says whether there are new ones. That element is kept loaded.
std::atomic<link_map*> last_seen{nullptr};
std::atomic<PointerGetAttribute> ask_cuda{nullptr};
std::atomic<bool> cannot_ask{false};

bool loaded(const char* name) {
  void* const object = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  if (object != nullptr) dlclose(object);
  return object != nullptr;
}

void look_again() {
  static std::mutex mutex;
  static void* kept = nullptr;
  const std::lock_guard lock(mutex);
  link_map* last = _r_debug.r_map;
  while (last != nullptr && last->l_next != nullptr) last = last->l_next;
  if (last == nullptr) return;
  void* const keep =
      *last->l_name != '\0' ? dlopen(last->l_name, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
  if (void* const cuda = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD); cuda != nullptr)
    ask_cuda = reinterpret_cast<PointerGetAttribute>(dlsym(cuda, "cuPointerGetAttribute"));
  for (const char* name : {"libamdhip64.so.5", "libamdhip64.so.6", "libamdhip64.so.7",
                           "libamdhip64.so", "libze_loader.so.1"})
    if (loaded(name)) cannot_ask = true;
  // One that cannot be kept might go, and its memory with it: then we look at every call.
  last_seen.store(keep != nullptr ? last : nullptr, std::memory_order_release);
  if (kept != nullptr) dlclose(kept);
  kept = keep;
}

}  // namespace

bool may_be_of_device(const void* pointer) {
  const link_map* const last = last_seen.load(std::memory_order_acquire);
  if (last == nullptr || std::atomic_ref<link_map*>(const_cast<link_map*>(last)->l_next).load() !=
                             nullptr) [[unlikely]]
    look_again();
  if (cannot_ask.load(std::memory_order_relaxed)) [[unlikely]]
    return true;
  const PointerGetAttribute ask = ask_cuda.load(std::memory_order_relaxed);
  if (ask == nullptr) [[likely]]
    return false;
  unsigned type = 0;
  return ask(&type, kMemoryType, reinterpret_cast<std::uint64_t>(pointer)) == 0 && type != kHost &&
         type != 0;
}

}  // namespace sluice::mpi::device
