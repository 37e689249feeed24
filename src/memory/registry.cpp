#include "memory/registry.hpp"

#include <fcntl.h>

#include <utility>

#include "base/error.hpp"
#include "device/allocations.hpp"
#include "sluice/memory.hpp"

namespace sluice {

Registry& Registry::instance() {
  static auto* const registry = new Registry;
  return *registry;
}

Result<void*> Registry::alloc(std::uint64_t bytes) {
  SLUICE_TRY_ASSIGN(SharedMemory memory, SharedMemory::create(bytes, "alloc"));
  // Now rather than at the first touch: too little memory is an error here and a dead process
  // there.
  SLUICE_TRY(memory.populate());
  void* const data = memory.data();
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::unique_lock lock(mutex_);
  const std::uint64_t id = ++last_id_;
  by_address_.emplace(address, Entry{id, std::move(memory)});
  address_of_.emplace(id, address);
  count_.store(by_address_.size(), std::memory_order_release);
  generation_.fetch_add(1, std::memory_order_acq_rel);
  return data;
}

Status Registry::free(void* pointer) {
  if (pointer == nullptr) return {};
  decltype(by_address_)::node_type node;
  {
    const std::unique_lock lock(mutex_);
    node = by_address_.extract(reinterpret_cast<std::uintptr_t>(pointer));
    if (!node.empty()) {
      address_of_.erase(node.mapped().id);
      count_.store(by_address_.size(), std::memory_order_release);
      generation_.fetch_add(1, std::memory_order_acq_rel);
    }
  }
  if (node.empty())
    return fail(
        Errc::kInvalidArgument, "not memory from alloc()",
        fmt::format("free({}): expected the start of a buffer from sluice::alloc, found none there",
                    pointer));
  announce_free(node.mapped().id);
  return {};  // the node unmaps here, outside the lock: many pages take a while
}

std::optional<RegisteredSlice> Registry::find(const void* pointer, std::uint64_t bytes) const {
  if (count_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  const std::shared_lock lock(mutex_);
  auto after = by_address_.upper_bound(address);
  if (after == by_address_.begin()) return std::nullopt;
  const auto& [base, entry] = *--after;
  const std::uint64_t offset = address - base;
  const Region region = entry.memory.region();
  if (offset >= region.bytes || !region.contains(offset, bytes)) return std::nullopt;
  return RegisteredSlice{entry.id, offset, region.bytes, region.base};
}

int Registry::descriptor(std::uint64_t id) const {
  const std::shared_lock lock(mutex_);
  const auto found = address_of_.find(id);
  return found == address_of_.end() ? -1 : by_address_.at(found->second).memory.fd();
}

std::optional<ReceivedDescriptor> Registry::duplicate(std::uint64_t id) const {
  const std::shared_lock lock(mutex_);
  const auto found = address_of_.find(id);
  if (found == address_of_.end()) return std::nullopt;
  const SharedMemory& memory = by_address_.at(found->second).memory;
  Fd copy(::fcntl(memory.fd(), F_DUPFD_CLOEXEC, 0));
  if (!copy) {
    static_cast<void>(
        fail_os("no descriptor", fmt::format("copying the descriptor of region {}", id), errno));
    return std::nullopt;
  }
  return ReceivedDescriptor{std::move(copy), memory.bytes()};
}

std::uint64_t Registry::subscribe(std::function<void(std::uint64_t)> callback) {
  const std::lock_guard lock(subscribers_mutex_);
  subscribers_.emplace(++last_ticket_, std::move(callback));
  return last_ticket_;
}

void Registry::unsubscribe(std::uint64_t ticket) {
  const std::lock_guard lock(subscribers_mutex_);
  subscribers_.erase(ticket);
}

void Registry::announce_free(std::uint64_t id) {
  const std::lock_guard lock(subscribers_mutex_);
  for (const auto& [ticket, callback] : subscribers_) callback(id);
}

Result<void*> alloc(std::size_t bytes, MemoryKind kind) {
  if (kind == MemoryKind::kDevice) return device::allocate_for_user(bytes);
  return Registry::instance().alloc(bytes);
}

Status free(void* pointer) {
  if (device::is_for_user(pointer)) return device::release_from_user(pointer);
  return Registry::instance().free(pointer);
}

}  // namespace sluice
