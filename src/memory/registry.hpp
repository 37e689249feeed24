// What is behind sluice::alloc and sluice::free: all shareable memory of this process, found by
// address.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "memory/descriptor.hpp"
#include "memory/region.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// Where a buffer lies in registered memory.
struct RegisteredSlice {
  std::uint64_t id;            // of the region; never used again in this process, top bit never set
  std::uint64_t offset;        // of the buffer in the region
  std::uint64_t region_bytes;  // as asked of alloc()
  std::byte* base;             // of the region
};

/// Thread-safe.
class Registry {
 public:
  /// The one behind sluice::alloc. Never destroyed, so that buffers in static objects can be freed
  /// at exit.
  static Registry& instance();

  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Result<void*> alloc(std::uint64_t bytes);
  Status free(void* pointer);

  /// The region that holds all of [pointer, pointer + bytes); nothing if that leaves it or there is
  /// none. With 0 bytes the pointer itself must be inside. Without any registered memory: one
  /// atomic load.
  std::optional<RegisteredSlice> find(const void* pointer, std::uint64_t bytes) const;

  /// The region's descriptor, -1 for an unknown id. It is the registry's own, and gone after
  /// free().
  int descriptor(std::uint64_t id) const;

  /// A copy of the region's descriptor, whatever another thread frees meanwhile; nothing for an
  /// unknown id.
  std::optional<ReceivedDescriptor> duplicate(std::uint64_t id) const;

  /// Changes with every alloc and free: an answer of find() holds as long as this is the same.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

  /// `callback(id)` runs in the thread that frees, before the memory is unmapped and after find()
  /// stopped to know it. It must not free, subscribe or unsubscribe. Returns a ticket for
  /// unsubscribe().
  std::uint64_t subscribe(std::function<void(std::uint64_t id)> callback);
  /// When it returns, the callback neither runs nor will run.
  void unsubscribe(std::uint64_t ticket);

 private:
  struct Entry {
    std::uint64_t id;
    SharedMemory memory;
  };
  void announce_free(std::uint64_t id);

  mutable std::shared_mutex mutex_;
  std::map<std::uintptr_t, Entry> by_address_;
  std::unordered_map<std::uint64_t, std::uintptr_t> address_of_;
  std::uint64_t last_id_ = 0;
  std::atomic<std::uint64_t> count_ = 0;
  std::atomic<std::uint64_t> generation_ = 0;

  std::mutex subscribers_mutex_;
  std::map<std::uint64_t, std::function<void(std::uint64_t)>> subscribers_;
  std::uint64_t last_ticket_ = 0;
};

}  // namespace sluice
