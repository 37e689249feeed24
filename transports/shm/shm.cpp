#include "transports/shm/shm.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>

#include "base/error.hpp"

namespace sluice::transport {
namespace {

/// A blob: these fields, then the server's address.
struct BlobFields {
  std::uint64_t id;
  std::uint64_t bytes;
  std::int32_t pid;
  std::uint32_t address_bytes;
};
constexpr std::size_t kLongestAddress = 107;  // sun_path
// Segments up to this size are brought in at once, in huge pages where the kernel gives them: the
// first calls need not wait for pages, and memory that is not there is an error at set-up rather
// than a signal later. Larger ones belong to communicators of many ranks, who seldom use every
// part.
constexpr std::uint64_t kPopulatedBytes = 16 * 1024 * 1024;

Result<shm::Remote> map_received(ReceivedDescriptor received, std::uint64_t bytes) {
  SLUICE_TRY_ASSIGN(auto mapped, SharedMemory::map(std::move(received.fd), bytes));
  auto memory = std::make_shared<SharedMemory>(std::move(mapped));
  const Window window{memory->data(), bytes};
  return shm::Remote{std::move(memory), window};
}

}  // namespace

Result<Shm> Shm::start(const DescriptorKey& key, DescriptorServer::Resolver resolver) {
  SLUICE_TRY_ASSIGN(auto server, DescriptorServer::start(key, std::move(resolver)));
  return Shm(key, std::move(server));
}

Result<Window> Shm::allocate(std::uint64_t bytes, const char* label) {
  SLUICE_TRY_ASSIGN(auto memory, SharedMemory::create(bytes, label));
  if (bytes <= kPopulatedBytes) SLUICE_TRY(memory.populate());
  owned_.push_back(std::make_shared<SharedMemory>(std::move(memory)));
  return Window{owned_.back()->data(), bytes};
}

Result<Blob> Shm::publish(Window window) {
  for (const auto& memory : owned_) {
    if (memory->data() != window.base || memory->bytes() < window.bytes) continue;
    const std::string& name = server_->address();
    const BlobFields fields{DescriptorServer::kOfferedIds | ++last_id_, window.bytes, getpid(),
                            static_cast<std::uint32_t>(name.size())};
    SLUICE_TRY(server_->offer(fields.id, memory->fd(), window.bytes));
    Blob blob(sizeof fields + name.size());
    std::memcpy(blob.data(), &fields, sizeof fields);
    std::memcpy(blob.data() + sizeof fields, name.data(), name.size());
    return blob;
  }
  return fail(Errc::kInvalidArgument, "publish: unknown memory",
              "shm: publish() of memory that allocate() of this transport did not return");
}

Result<shm::Remote> Shm::open(std::span<const std::byte> blob, Deadline deadline) {
  BlobFields fields{};
  if (blob.size() >= sizeof fields) std::memcpy(&fields, blob.data(), sizeof fields);
  if (blob.size() < sizeof fields || fields.address_bytes > kLongestAddress ||
      blob.size() != sizeof fields + fields.address_bytes || fields.bytes == 0 || fields.pid <= 0)
    return fail(Errc::kInvalidArgument, "open: bad blob",
                fmt::format("shm: a blob of {} bytes is malformed", blob.size()));
  const std::string name(reinterpret_cast<const char*>(blob.data()) + sizeof fields,
                         fields.address_bytes);
  SLUICE_TRY_ASSIGN(auto received, fetch_descriptor(name, key_, fields.id, fields.pid, deadline));
  if (received.bytes != fields.bytes)
    return fail(Errc::kInvalidArgument, "open: bad blob",
                fmt::format("shm: a blob says {} bytes, process {} serves {}", fields.bytes,
                            fields.pid, received.bytes));
  return map_received(std::move(received), fields.bytes);
}

Shm::Address Shm::address() const { return {getpid(), server_->address()}; }

Result<shm::Remote> Shm::open_registered(const Address& peer, std::uint64_t id, Deadline deadline) {
  SLUICE_TRY_ASSIGN(auto received, fetch_descriptor(peer.name, key_, id, peer.pid, deadline));
  const std::uint64_t bytes = received.bytes;
  return map_received(std::move(received), bytes);
}

Result<std::uint64_t> Shm::offer(int fd, std::uint64_t bytes) {
  const std::uint64_t id = DescriptorServer::kOfferedIds | ++last_id_;
  SLUICE_TRY(server_->offer(id, fd, bytes));
  return id;
}

void Shm::withdraw(std::uint64_t id) { server_->withdraw(id); }

Result<ReceivedDescriptor> Shm::fetch(const Address& peer, std::uint64_t id,
                                      Deadline deadline) const {
  return fetch_descriptor(peer.name, key_, id, peer.pid, deadline);
}

void Shm::close() noexcept {
  server_.reset();
  owned_.clear();
}

}  // namespace sluice::transport
