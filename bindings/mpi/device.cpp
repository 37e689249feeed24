#include "bindings/mpi/device.hpp"

#include <bit>
#include <cstdio>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "bindings/mpi/device_context.hpp"
#include "bindings/mpi/policy.hpp"

namespace sluice::mpi::device {

Current::Current(const Place& place)
    : driver_(*place.driver),
      entered_(succeeded(driver_.enter(place.context, before_), "making a GPU's context current")) {
}

Current::~Current() {
  if (entered_) driver_.leave(before_);
}

bool Current::succeeded(gpu::Error error, const char* doing) const {
  if (error == 0) [[likely]]
    return true;
  std::fprintf(stderr, "sluice-mpi: %s: %s (%s's error %d)\n", doing, driver_.text_of(error),
               driver_.vendor() == gpu::Vendor::kCuda ? "CUDA" : "HIP", error);
  return false;
}

Place place_of(const void* pointer) {
  const gpu::Loaded loaded = gpu::loaded();
  if (loaded.has_unknown) return {.where = Where::kUnknown};
  for (const gpu::Driver* driver : loaded.drivers) {
    const gpu::Owner owner = driver != nullptr ? driver->owner_of(pointer) : gpu::Owner{};
    if (!owner.is_device) continue;
    if (owner.context == nullptr) return {.where = Where::kUnknown};
    return {Where::kDevice, driver, owner.context};
  }
  return {};
}

struct Memory {
  std::byte* base = nullptr;
  Kind kind = Kind::kPinned;
  Place place;        ///< in whose context it was allocated
  unsigned size = 0;  ///< the logarithm of the bytes
};

namespace {

/// Sizes are powers of two from here on.
constexpr unsigned kSmallest = 12;

/// All that was ever allocated, but for what was freed to make room. Never destroyed: at the end of
/// the process the driver is gone before it.
class Store {
 public:
  static Store& instance() {
    static Store* const store = new Store;
    return *store;
  }

  Memory* acquire(Kind kind, const Place& place, unsigned size, bool must) {
    const std::lock_guard lock(mutex_);
    std::vector<Memory*>& kept = free_[key(kind, place, size)];
    if (!kept.empty()) {
      Memory* const memory = kept.back();
      kept.pop_back();
      return memory;
    }
    const std::int64_t bytes = std::int64_t{1} << size;
    if (allocated_ + bytes > policy::buffer_limit_bytes()) free_all();
    if (allocated_ + bytes > policy::buffer_limit_bytes() && !must) return nullptr;
    auto* const memory = new Memory{nullptr, kind, place, size};
    if (!allocate(*memory)) {
      delete memory;
      return nullptr;
    }
    allocated_ += bytes;
    return memory;
  }

  void release(Memory* memory) {
    const std::lock_guard lock(mutex_);
    free_[key(memory->kind, memory->place, memory->size)].push_back(memory);
  }

 private:
  using Key = std::tuple<const gpu::Driver*, gpu::Context, unsigned>;

  /// Pinned memory is of no context.
  static Key key(Kind kind, const Place& place, unsigned size) {
    return {place.driver, kind == Kind::kPinned ? nullptr : place.context, size};
  }

  static bool allocate(Memory& memory) {
    const Current current(memory.place);
    const std::size_t bytes = std::size_t{1} << memory.size;
    if (!current.ok()) return false;
    void* base = nullptr;
    const bool allocated =
        memory.kind == Kind::kPinned
            ? current.succeeded(current.driver().allocate_pinned(base, bytes),
                                "allocating pinned memory")
            : current.succeeded(current.driver().allocate(base, bytes), "allocating device memory");
    memory.base = static_cast<std::byte*>(base);
    return allocated;
  }

  void free_all() {
    for (auto& [key, kept] : free_) {
      for (Memory* memory : kept) {
        const Current current(memory->place);
        if (memory->kind == Kind::kPinned)
          current.driver().free_pinned(memory->base);
        else
          current.driver().free(memory->base);
        allocated_ -= std::int64_t{1} << memory->size;
        delete memory;
      }
      kept.clear();
    }
  }

  std::mutex mutex_;
  std::map<Key, std::vector<Memory*>> free_;
  std::int64_t allocated_ = 0;
};

}  // namespace

Memory* acquire(Kind kind, const Place& place, std::int64_t bytes, bool must) {
  if (bytes < 0 || bytes > (std::int64_t{1} << 40)) return nullptr;
  const auto wanted = static_cast<std::uint64_t>(bytes > 0 ? bytes - 1 : 0) >> kSmallest;
  const unsigned size = kSmallest + static_cast<unsigned>(std::bit_width(wanted));
  return Store::instance().acquire(kind, place, size, must);
}

void release(Memory* memory) { Store::instance().release(memory); }

std::byte* bytes_of(const Memory* memory) { return memory->base; }

}  // namespace sluice::mpi::device
