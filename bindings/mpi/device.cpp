#include "bindings/mpi/device.hpp"

#include <bit>
#include <cstdio>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "bindings/mpi/device_context.hpp"
#include "bindings/mpi/policy.hpp"

namespace sluice::mpi::device {

bool succeeded(cuda::Error error, const char* doing) {
  if (error == 0) [[likely]]
    return true;
  std::fprintf(stderr, "sluice-mpi: %s: %s (CUDA's error %d)\n", doing, cuda::text_of(error),
               error);
  return false;
}

Current::Current(const Place& place)
    : driver_(*cuda::driver()),
      pushed_(succeeded(driver_.CtxPushCurrent(place.context), "making a GPU's context current")) {
  driver_.ThreadExchangeStreamCaptureMode(&capture_mode_);
}

Current::~Current() {
  driver_.ThreadExchangeStreamCaptureMode(&capture_mode_);
  cuda::Context popped;
  if (pushed_) driver_.CtxPopCurrent(&popped);
}

namespace {

/// Retained once for the process; null if the driver does not let us.
cuda::Context primary_context(const cuda::Driver& driver, int device) {
  static std::mutex mutex;
  static auto* const retained = new std::map<int, cuda::Context>;
  const std::lock_guard lock(mutex);
  cuda::Context& context = (*retained)[device];
  if (context == nullptr) driver.DevicePrimaryCtxRetain(&context, device);
  return context;
}

}  // namespace

Place place_of(const void* pointer) {
  const cuda::Driver* const driver = cuda::driver();
  if (cuda::other_vendor()) return {Where::kUnknown, nullptr};
  if (driver == nullptr) return {};
  const auto address = reinterpret_cast<cuda::Pointer>(pointer);
  unsigned type = 0;
  if (driver->PointerGetAttribute(&type, cuda::kMemoryType, address) != 0 ||
      type != cuda::kDeviceMemory)
    return {};
  Place place{Where::kDevice, nullptr};
  if (driver->PointerGetAttribute(static_cast<void*>(&place.context), cuda::kContextOfPointer,
                                  address) == 0 &&
      place.context != nullptr)
    return place;
  // Memory that was mapped, not allocated, belongs to a device and to no context.
  int ordinal = 0;
  if (driver->PointerGetAttribute(&ordinal, cuda::kOrdinalOfPointer, address) == 0)
    place.context = primary_context(*driver, ordinal);
  return place.context != nullptr ? place : Place{Where::kUnknown, nullptr};
}

struct Memory {
  std::byte* base = nullptr;
  Kind kind = Kind::kPinned;
  cuda::Context context = nullptr;  ///< in which it was allocated
  unsigned size = 0;                ///< the logarithm of the bytes
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
    std::vector<Memory*>& kept = free_[key(kind, place.context, size)];
    if (!kept.empty()) {
      Memory* const memory = kept.back();
      kept.pop_back();
      return memory;
    }
    const std::int64_t bytes = std::int64_t{1} << size;
    if (allocated_ + bytes > policy::buffer_limit_bytes()) free_all();
    if (allocated_ + bytes > policy::buffer_limit_bytes() && !must) return nullptr;
    auto* const memory = new Memory{nullptr, kind, place.context, size};
    if (!allocate(*memory, place)) {
      delete memory;
      return nullptr;
    }
    allocated_ += bytes;
    return memory;
  }

  void release(Memory* memory) {
    const std::lock_guard lock(mutex_);
    free_[key(memory->kind, memory->context, memory->size)].push_back(memory);
  }

 private:
  using Key = std::pair<cuda::Context, unsigned>;  // pinned memory is of no context

  static Key key(Kind kind, cuda::Context context, unsigned size) {
    return {kind == Kind::kPinned ? nullptr : context, size};
  }

  static bool allocate(Memory& memory, const Place& place) {
    const Current current(place);
    const std::size_t bytes = std::size_t{1} << memory.size;
    if (!current.ok()) return false;
    if (memory.kind == Kind::kPinned) {
      void* base = nullptr;
      const cuda::Error error = current.driver().MemHostAlloc(&base, bytes, cuda::kForAllContexts);
      memory.base = static_cast<std::byte*>(base);
      return succeeded(error, "allocating pinned memory");
    }
    cuda::Pointer base = 0;
    const cuda::Error error = current.driver().MemAlloc(&base, bytes);
    memory.base = reinterpret_cast<std::byte*>(base);
    return succeeded(error, "allocating device memory");
  }

  void free_all() {
    for (auto& [key, kept] : free_) {
      for (Memory* memory : kept) {
        const Current current({Where::kDevice, memory->context});
        if (memory->kind == Kind::kPinned)
          current.driver().MemFreeHost(memory->base);
        else
          current.driver().MemFree(reinterpret_cast<cuda::Pointer>(memory->base));
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
