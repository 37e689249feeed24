#include "device/store.hpp"

#include <cstring>

#include "base/error.hpp"
#include "device/device.hpp"
#include "device/shareable.hpp"

namespace sluice::device {

Store& Store::instance() {
  static auto* const store = new Store;
  return *store;
}

Result<Store::Memory> Store::device_memory(std::uint64_t bytes, bool shown) {
  SLUICE_TRY_ASSIGN(const int device, current());
  const Kind kind{device, bytes};
  if (shown) {
    SLUICE_TRY_ASSIGN(void* const base, allocate_shareable(bytes));
    return own(static_cast<std::byte*>(base), kind, false);
  }
  if (std::byte* const base = take(kind); base != nullptr) {
    Memory memory = own(base, kind, true);
    SLUICE_TRY(clear(base, bytes));
    return memory;
  }
  SLUICE_TRY_ASSIGN(void* const base, allocate(bytes));
  return own(static_cast<std::byte*>(base), kind, true);
}

Result<Store::Memory> Store::pinned_memory(std::uint64_t bytes) {
  const Kind kind{kPinned, bytes};
  if (std::byte* const base = take(kind); base != nullptr) {
    std::memset(base, 0, bytes);
    return own(base, kind, true);
  }
  SLUICE_TRY_ASSIGN(void* const base, allocate_pinned(bytes));
  return own(static_cast<std::byte*>(base), kind, true);
}

Store::Memory Store::find(const std::byte* base) const {
  const std::lock_guard lock(mutex_);
  const auto found = used_.find(base);
  return found == used_.end() ? nullptr : found->second.lock();
}

Store::Memory Store::own(std::byte* base, Kind kind, bool kept) {
  Memory memory(base, [this, kind, kept](std::byte* mine) { give_back(mine, kind, kept); });
  const std::lock_guard lock(mutex_);
  used_[base] = memory;
  return memory;
}

std::byte* Store::take(Kind kind) {
  const std::lock_guard lock(mutex_);
  const auto found = free_.find(kind);
  if (found == free_.end() || found->second.empty()) return nullptr;
  std::byte* const base = found->second.back();
  found->second.pop_back();
  return base;
}

void Store::give_back(std::byte* base, Kind kind, bool kept) {
  {
    const std::lock_guard lock(mutex_);
    used_.erase(base);
    if (kept) return free_[kind].push_back(base);
  }
  static_cast<void>(release_shareable(base));
}

}  // namespace sluice::device
