#include "device/allocations.hpp"

#include <atomic>
#include <mutex>
#include <set>

#include "base/error.hpp"
#include "device/shareable.hpp"

namespace sluice::device {
namespace {

/// Never destroyed, so that buffers in static objects can be freed at exit.
struct Allocations {
  std::mutex mutex;
  std::set<const void*> all;
  std::atomic<std::size_t> count = 0;

  static Allocations& instance() {
    static auto* const allocations = new Allocations;
    return *allocations;
  }
};

}  // namespace

Result<void*> allocate_for_user(std::uint64_t bytes) {
  if (bytes == 0)
    return fail(Errc::kInvalidArgument, "0 bytes",
                "alloc(0, kDevice): expected at least 1 byte, found 0");
  SLUICE_TRY_ASSIGN(void* const memory, allocate_shareable(bytes));
  Allocations& known = Allocations::instance();
  const std::lock_guard lock(known.mutex);
  known.all.insert(memory);
  known.count.store(known.all.size(), std::memory_order_release);
  return memory;
}

bool is_for_user(const void* memory) {
  Allocations& known = Allocations::instance();
  if (known.count.load(std::memory_order_acquire) == 0) return false;
  const std::lock_guard lock(known.mutex);
  return known.all.contains(memory);
}

Status release_from_user(void* memory) {
  Allocations& known = Allocations::instance();
  {
    const std::lock_guard lock(known.mutex);
    known.all.erase(memory);
    known.count.store(known.all.size(), std::memory_order_release);
  }
  return release_shareable(memory);
}

}  // namespace sluice::device
