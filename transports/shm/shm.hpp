// Shm: the ranks are processes of one host. Memory is an anonymous file (memfd) whose descriptor
// its owner hands to peers that prove the job's key; nothing has a name that could be guessed or
// left behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "memory/descriptor_server.hpp"
#include "memory/region.hpp"
#include "transports/mapped_datapath.hpp"
#include "transports/transport.hpp"

namespace sluice::transport {

namespace shm {
struct Remote {
  std::shared_ptr<SharedMemory> memory;
  Window window;
};
}  // namespace shm

class Shm : public MappedDatapath<shm::Remote> {
 public:
  using Remote = shm::Remote;
  static constexpr const char* kName = "shm";
  static constexpr std::uint32_t kCapabilities = kMapped | kOrdered;

  /// `key`: known to the job's processes only; peers prove it before they get a descriptor.
  /// `resolver` serves the ids of registered user memory (Registry).
  static Result<Shm> start(const DescriptorKey& key, DescriptorServer::Resolver resolver = {});

  /// `label` shows in /proc: SharedMemory::create().
  Result<Window> allocate(std::uint64_t bytes, const char* label = "memory");
  Result<Blob> publish(Window window);
  Result<Remote> open(std::span<const std::byte> blob, Deadline deadline);
  void close() noexcept;

  /// Where this process's descriptors are served, for open_registered() of peers.
  struct Address {
    std::int32_t pid;
    std::string name;
  };
  Address address() const;
  /// All of the registered memory `id` of the process that serves at `peer`.
  Result<Remote> open_registered(const Address& peer, std::uint64_t id, Deadline deadline);

  /// Serves a descriptor of other memory of this process, until withdraw(). Returns its id.
  Result<std::uint64_t> offer(int fd, std::uint64_t bytes);
  void withdraw(std::uint64_t id);
  /// What the process that serves at `peer` has offered under `id`.
  Result<ReceivedDescriptor> fetch(const Address& peer, std::uint64_t id, Deadline deadline) const;

 private:
  Shm(const DescriptorKey& key, std::unique_ptr<DescriptorServer> server)
      : key_(key), server_(std::move(server)) {}

  DescriptorKey key_;
  std::unique_ptr<DescriptorServer> server_;
  std::vector<std::shared_ptr<SharedMemory>> owned_;
  std::uint64_t last_id_ = 0;
};
static_assert(Transport<Shm>);

}  // namespace sluice::transport
