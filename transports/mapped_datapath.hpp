// The data path of every transport whose peers' memory is mapped: plain loads and stores.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/port.hpp"
#include "channel/memory_channel.hpp"
#include "sluice/status.hpp"

namespace sluice::transport {

/// Base of a transport; `Remote` must have a member `window`.
template <class Remote>
struct MappedDatapath {
  static Window map(const Remote& remote) noexcept { return remote.window; }

  static Status put(const Remote& remote, std::uint64_t offset,
                    std::span<const std::byte> bytes) noexcept {
    if (!remote.window.contains(offset, bytes.size())) return out_of_range();
    // An empty span may be null, which memcpy must not get.
    if (!bytes.empty()) std::memcpy(remote.window.base + offset, bytes.data(), bytes.size());
    return {};
  }

  static Status get(const Remote& remote, std::uint64_t offset,
                    std::span<std::byte> bytes) noexcept {
    if (!remote.window.contains(offset, bytes.size())) return out_of_range();
    if (!bytes.empty()) std::memcpy(bytes.data(), remote.window.base + offset, bytes.size());
    return {};
  }

  static Status signal(const Remote& remote, std::uint64_t offset, std::uint64_t n) noexcept {
    if (offset % sizeof(std::uint64_t) != 0 ||
        !remote.window.contains(offset, sizeof(std::uint64_t)))
      return out_of_range();
    // Pairs with the acquire of whoever waits on the counter: all earlier puts are visible to it.
    port::add_release(reinterpret_cast<std::uint64_t*>(remote.window.base + offset), n);
    return {};
  }

  static Status flush(const Remote&) noexcept { return {}; }

 private:
  static Status out_of_range() {
    return {Errc::kInvalidArgument, "offset or size outside the peer's region"};
  }
};

}  // namespace sluice::transport
