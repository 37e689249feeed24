// Device memory that ranks show each other: that of the own process as it is, that of others
// opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/deadline.hpp"
#include "communicator/device_part.hpp"
#include "communicator/peer_memory.hpp"
#include "device/device.hpp"
#include "sluice/status.hpp"
#include "transports/shm/shm.hpp"

namespace sluice {

/// What a rank tells the others of its memory; plain data.
struct ShownMemory {
  std::uint64_t address;  // in its owner's addresses
  std::uint64_t bytes;
  std::uint64_t offset;            // of the memory in its allocation
  std::uint64_t allocation_bytes;  // all of which other processes open
  std::uint64_t descriptor;        // where its owner serves one; 0: there is a handle
  device::Handle handle;
};

/// One rank's part in it, for one piece of memory of each rank. Nothing here waits for other ranks
/// but for their descriptor servers: between show() and open() all tell each other what they show,
/// and after open() that they have opened it; until then this object stays.
class DeviceSharing {
 public:
  /// `shm` may be null where all ranks are in one process.
  DeviceSharing(const DevicePart& part, int rank, transport::Shm* shm,
                std::span<const PeerProcess> peers, Deadline deadline)
      : part_(part), rank_(rank), shm_(shm), peers_(peers), deadline_(deadline) {}
  ~DeviceSharing();
  DeviceSharing(const DeviceSharing&) = delete;
  DeviceSharing& operator=(const DeviceSharing&) = delete;

  /// kInvalidArgument: not memory of the rank's device, or not so much of it. kInvalidUsage:
  /// kernels of one rank do not reach the memory of another. Else what the driver says of memory
  /// that it cannot show.
  Result<ShownMemory> show(void* memory, std::uint64_t bytes);
  /// What each rank has shown, as this rank's kernels reach it.
  Result<std::vector<HeldWindow>> open(const std::vector<ShownMemory>& shown) const;

  /// The error of memory that cannot be shown: "..., found `found`".
  Status refused(const void* memory, std::uint64_t bytes, const std::string& found) const;

 private:
  using Mapping = std::shared_ptr<void>;
  Result<Mapping> open_one(int peer, const ShownMemory& theirs) const;
  bool one_process() const;

  const DevicePart& part_;
  int rank_;
  transport::Shm* shm_;
  std::span<const PeerProcess> peers_;
  Deadline deadline_;
  std::uint64_t offered_ = 0;
};

}  // namespace sluice
