#include "communicator/device_sharing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.hpp"
#include "device/shareable.hpp"
#include "device/store.hpp"

namespace sluice {

DeviceSharing::~DeviceSharing() {
  if (offered_ != 0) shm_->withdraw(offered_);  // all have fetched it, or never will
}

bool DeviceSharing::one_process() const {
  return std::all_of(peers_.begin(), peers_.end(),
                     [](const PeerProcess& peer) { return peer.same_process; });
}

Status DeviceSharing::refused(const void* memory, std::uint64_t bytes,
                              const std::string& found) const {
  return fail(Errc::kInvalidArgument, "not memory of the device",
              fmt::format("rank {}, registering {} bytes at {}: expected memory of device {}, "
                          "found {}",
                          rank_, bytes, memory, part_.device(), found));
}

Result<ShownMemory> DeviceSharing::show(void* memory, std::uint64_t bytes) {
  if (!part_.reaches_peers())
    return fail(Errc::kInvalidUsage, "devices do not reach each other",
                fmt::format("rank {}, registering {} bytes at {}: expected devices with access to "
                            "one another, found that they have none (SLUICE_DEVICE_SEGMENTS or the "
                            "driver)",
                            rank_, bytes, memory));
  if (memory == nullptr || bytes == 0) return refused(memory, bytes, "nothing");
  SLUICE_TRY_ASSIGN(const device::Place place, device::place_of(memory));
  if (place.device != part_.device())
    return refused(memory, bytes,
                   place.device < 0 ? std::string("other memory")
                                    : fmt::format("memory of device {}", place.device));
  const device::Using device(part_.device());
  SLUICE_TRY(device.status());
  SLUICE_TRY_ASSIGN(const device::Allocation whole, device::allocation_of(memory));
  const auto offset = static_cast<std::uint64_t>(static_cast<std::byte*>(memory) - whole.base);
  if (offset > whole.bytes || bytes > whole.bytes - offset)
    return refused(
        memory, bytes,
        fmt::format("an allocation that ends {} bytes behind that address", whole.bytes - offset));
  ShownMemory shown{reinterpret_cast<std::uint64_t>(memory), bytes, offset, whole.bytes, 0, {}};
  if (one_process()) return shown;
  SLUICE_TRY_ASSIGN(const Fd descriptor, device::descriptor_of(whole.base));
  if (descriptor) {
    SLUICE_TRY_ASSIGN(offered_, shm_->offer(descriptor.get(), whole.bytes));
    shown.descriptor = offered_;
  } else {
    SLUICE_TRY_ASSIGN(shown.handle, device::share(whole.base));
  }
  return shown;
}

Result<DeviceSharing::Mapping> DeviceSharing::open_one(int peer, const ShownMemory& theirs) const {
  const int own = part_.device();
  const std::uint64_t bytes = theirs.allocation_bytes;
  if (theirs.descriptor == 0) {
    SLUICE_TRY_ASSIGN(void* const opened, device::open(theirs.handle));
    return Mapping(opened, [own](void* mapping) {
      const device::Using device(own);
      static_cast<void>(device::close(mapping));
    });
  }
  SLUICE_TRY_ASSIGN(const auto received,
                    shm_->fetch(peers_[static_cast<std::size_t>(peer)].descriptors,
                                theirs.descriptor, deadline_));
  SLUICE_TRY_ASSIGN(void* const opened, device::open_shareable(received.fd, bytes));
  return Mapping(opened, [own, bytes](void* mapping) {
    const device::Using device(own);
    static_cast<void>(device::close_shareable(mapping, bytes));
  });
}

Result<std::vector<HeldWindow>> DeviceSharing::open(const std::vector<ShownMemory>& shown) const {
  const device::Using device(part_.device());
  SLUICE_TRY(device.status());
  std::vector<HeldWindow> windows;
  for (std::size_t r = 0; r < shown.size(); ++r) {
    const ShownMemory& theirs = shown[r];
    if (peers_[r].same_process) {
      auto* const base = reinterpret_cast<std::byte*>(theirs.address);
      // A communicator's own memory is not to be used again while a peer may still signal there.
      windows.push_back({{base, theirs.bytes}, device::Store::instance().find(base)});
      continue;
    }
    SLUICE_TRY_ASSIGN(const Mapping mapping, open_one(static_cast<int>(r), theirs));
    windows.push_back(
        {{static_cast<std::byte*>(mapping.get()) + theirs.offset, theirs.bytes}, mapping});
  }
  return windows;
}

}  // namespace sluice
