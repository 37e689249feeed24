#include "bindings/mpi/gpu_driver.hpp"

#include <mutex>

#include "bindings/mpi/gpu_vendors.hpp"

namespace sluice::mpi::gpu {

namespace {

constinit link_map never_last{};
constinit link_map with_one_behind{
    .l_addr = 0, .l_name = nullptr, .l_ld = nullptr, .l_next = &never_last, .l_prev = nullptr};

/// The last element that was looked at; null: look again.
std::atomic<const link_map*> last_seen{nullptr};
std::atomic<const Driver*> cuda_driver{nullptr};
std::atomic<const Driver*> hip_driver{nullptr};
std::atomic<bool> unknown_runtime{false};

/// A driver that was found once stays.
void look_for(std::atomic<const Driver*>& driver, Sighting (*find)()) {
  if (driver.load(std::memory_order_relaxed) != nullptr) return;
  const Sighting found = find();
  driver = found.driver;
  if (found.is_loaded && found.driver == nullptr) unknown_runtime = true;
}

void look_again() {
  static std::mutex mutex;
  static void* kept = nullptr;
  const std::lock_guard lock(mutex);
  const link_map* last = _r_debug.r_map;
  while (last != nullptr && last->l_next != nullptr) last = last->l_next;
  if (last == nullptr) return;
  void* const keep = *last->l_name != '\0' ? hold(last->l_name) : nullptr;
  look_for(cuda_driver, find_cuda);
  look_for(hip_driver, find_hip);
  if (!unknown_runtime.load() && hold("libze_loader.so.1") != nullptr) unknown_runtime = true;
  // One that cannot be kept might go, and its memory with it: then we look at every call.
  const bool any_gpu =
      cuda_driver.load() != nullptr || hip_driver.load() != nullptr || unknown_runtime.load();
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

Loaded loaded() {
  look_if_changed();
  Loaded found;
  found.has_unknown = unknown_runtime.load(std::memory_order_acquire);
  auto* next = found.drivers.begin();
  for (const std::atomic<const Driver*>* each : {&cuda_driver, &hip_driver})
    if (const Driver* const driver = each->load(std::memory_order_acquire); driver != nullptr)
      *next++ = driver;
  return found;
}

}  // namespace sluice::mpi::gpu
