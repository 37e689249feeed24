#include "communicator/peer_memory.hpp"

#include <fmt/format.h>

#include "base/error.hpp"

namespace sluice {

bool PeerMemory::try_attach(int peer, const std::uint64_t* address_there, std::uint64_t expected) {
  const PeerProcess& process = peers_[static_cast<std::size_t>(peer)];
  if (process.same_process) return true;
  if (!probe(process.pid, address_there, expected)) return false;
  auto reader = ProcessReader::open(process.pid);
  if (!reader.ok()) return false;
  readers_[static_cast<std::size_t>(peer)].emplace(std::move(reader).value());
  return true;
}

Result<std::byte*> PeerMemory::locate(int peer, const ExposedBuffer& buffer, std::uint64_t bytes,
                                      Deadline deadline) {
  const PeerProcess& process = peers_[static_cast<std::size_t>(peer)];
  if (process.same_process) return reinterpret_cast<std::byte*>(buffer.address);
  if (buffer.region == 0 || buffer.region == ExposedBuffer::kUnused)
    return static_cast<std::byte*>(nullptr);
  auto found = mapped_.find({peer, buffer.region});
  if (found == mapped_.end()) {
    SLUICE_TRY_ASSIGN(auto remote,
                      shm_->open_registered(process.descriptors, buffer.region, deadline));
    found = mapped_.emplace(std::pair(peer, buffer.region), std::move(remote)).first;
  }
  const Window& window = found->second.window;
  if (!window.contains(buffer.offset, bytes))
    return fail(
        Errc::kRemoteError, "a peer's buffer leaves its region",
        fmt::format("rank {} says its buffer is {} bytes at {} of region {}, which has {} bytes",
                    peer, bytes, buffer.offset, buffer.region, window.bytes));
  return window.base + buffer.offset;
}

Result<HeldWindow> PeerMemory::hold(int peer, const ExposedBuffer& buffer, std::uint64_t bytes,
                                    Deadline deadline) {
  SLUICE_TRY_ASSIGN(std::byte* const base, locate(peer, buffer, bytes, deadline));
  const auto found = mapped_.find({peer, buffer.region});
  return HeldWindow{{base, bytes}, found == mapped_.end() ? nullptr : found->second.memory};
}

void PeerMemory::forget_withdrawn(int peer, const Withdrawn& withdrawn) {
  const std::uint64_t count = port::load_acquire(&withdrawn.count);
  std::uint64_t& seen = withdrawn_seen_[static_cast<std::size_t>(peer)];
  if (count == seen) return;
  if (count - seen >
      Withdrawn::kKept) {  // too many to know which: all of the peer's go and come back when needed
    std::erase_if(mapped_, [&](const auto& entry) { return entry.first.first == peer; });
  } else {
    for (std::uint64_t i = seen; i < count; ++i)
      mapped_.erase({peer, port::load_relaxed(&withdrawn.ids[i % Withdrawn::kKept])});
  }
  seen = count;
}

PrivateMemory PeerMemory::access(WaitState& waits) {
  waits_ = &waits;
  return {.read = &PeerMemory::read, .write = &PeerMemory::write, .context = this};
}

bool PeerMemory::read(void* self, std::int32_t peer, void* local, std::uint64_t address,
                      std::uint64_t bytes) {
  auto& memory = *static_cast<PeerMemory*>(self);
  auto& reader = memory.readers_[static_cast<std::size_t>(peer)];
  return memory.record(peer, reader ? reader->read(local, address, bytes)
                                    : Status(Errc::kInternalError, "no reader for the peer"));
}

bool PeerMemory::write(void* self, std::int32_t peer, const void* local, std::uint64_t address,
                       std::uint64_t bytes) {
  auto& memory = *static_cast<PeerMemory*>(self);
  auto& reader = memory.readers_[static_cast<std::size_t>(peer)];
  return memory.record(peer, reader ? reader->write(local, address, bytes)
                                    : Status(Errc::kInternalError, "no writer for the peer"));
}

bool PeerMemory::record(std::int32_t peer, const Status& status) {
  if (status.ok()) return true;
  record_failure(*waits_, WaitOutcome::kUnreachable, peer, 0,
                 static_cast<std::uint64_t>(status.os_error()));
  return false;
}

}  // namespace sluice
