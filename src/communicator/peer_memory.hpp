// The users' buffers of other ranks: mapping registered regions when they are first met, and
// reaching private memory by cross-memory attach.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/deadline.hpp"
#include "channel/fabric.hpp"
#include "channel/segment.hpp"
#include "memory/process_memory.hpp"
#include "sluice/status.hpp"
#include "transports/shm/shm.hpp"

namespace sluice {

/// What this rank needs to know of a peer to reach its memory.
struct PeerProcess {
  bool same_process = true;
  std::int32_t pid = 0;
  transport::Shm::Address descriptors;  // where its registered memory is served
};

/// A peer's buffer as it is mapped here, for as long as somebody keeps this: also when the peer has
/// freed it.
struct HeldWindow : Window {
  std::shared_ptr<const void> mapping;  // null where it needs none
};

class PeerMemory {
 public:
  /// `shm` may be nullptr when all ranks are in this process; it must outlive this object.
  PeerMemory(transport::Shm* shm, std::vector<PeerProcess> peers)
      : shm_(shm), peers_(std::move(peers)) {
    readers_.resize(peers_.size());
    withdrawn_seen_.resize(peers_.size());
  }

  /// Whether this rank can read the word `probe` in `peer`'s memory by cross-memory attach;
  /// prepares for it.
  bool try_attach(int peer, const std::uint64_t* address_there, std::uint64_t expected);

  /// Where `bytes` of the peer's exposed buffer are mapped here; nullptr without error when the
  /// buffer is ordinary memory of another process.
  Result<std::byte*> locate(int peer, const ExposedBuffer& buffer, std::uint64_t bytes,
                            Deadline deadline);

  /// The same, for keeps.
  Result<HeldWindow> hold(int peer, const ExposedBuffer& buffer, std::uint64_t bytes,
                          Deadline deadline);

  /// Unmaps the regions that `peer` has freed, but for those that somebody holds.
  void forget_withdrawn(int peer, const Withdrawn& withdrawn);

  /// The functions for FabricParts; `waits` records what goes wrong. This object must stay where it
  /// is.
  PrivateMemory access(WaitState& waits);

 private:
  static bool read(void* self, std::int32_t peer, void* local, std::uint64_t address,
                   std::uint64_t bytes);
  static bool write(void* self, std::int32_t peer, const void* local, std::uint64_t address,
                    std::uint64_t bytes);
  bool record(std::int32_t peer, const Status& status);

  transport::Shm* shm_;
  std::vector<PeerProcess> peers_;
  std::vector<std::optional<ProcessReader>> readers_;
  std::vector<std::uint64_t> withdrawn_seen_;
  std::map<std::pair<int, std::uint64_t>, transport::shm::Remote> mapped_;  // by (peer, region)
  WaitState* waits_ = nullptr;
};

}  // namespace sluice
