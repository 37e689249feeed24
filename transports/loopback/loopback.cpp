#include "transports/loopback/loopback.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>

#include "base/error.hpp"

namespace sluice::transport {

namespace {

struct BlobFields {
  std::uint64_t process;  // pid: a blob of another process must not be opened
  std::uint64_t id;
  std::uint64_t bytes;
};

/// Published memory of this process by id.
struct Board {
  std::mutex mutex;
  std::uint64_t last_id = 0;
  std::map<std::uint64_t, std::weak_ptr<SharedMemory>> published;
};

Board& board() {
  static Board* const instance =
      new Board;  // never destroyed: communicators may outlive static objects
  return *instance;
}

}  // namespace

Result<Window> Loopback::allocate(std::uint64_t bytes, const char* label) {
  SLUICE_TRY_ASSIGN(auto memory, SharedMemory::create(bytes, label));
  owned_.push_back(std::make_shared<SharedMemory>(std::move(memory)));
  return Window{owned_.back()->data(), bytes};
}

Result<Blob> Loopback::publish(Window window) {
  for (const auto& memory : owned_) {
    if (memory->data() != window.base || memory->bytes() != window.bytes) continue;
    const std::lock_guard lock(board().mutex);
    const BlobFields fields{static_cast<std::uint64_t>(getpid()), ++board().last_id, window.bytes};
    board().published[fields.id] = memory;
    published_.push_back(fields.id);
    const auto* bytes = reinterpret_cast<const std::byte*>(&fields);
    return Blob(bytes, bytes + sizeof fields);
  }
  return fail(Errc::kInvalidArgument, "publish: unknown memory",
              "loopback: publish() of memory that allocate() of this transport did not return");
}

Result<loopback::Remote> Loopback::open(std::span<const std::byte> blob, Deadline) {
  BlobFields fields{};
  if (blob.size() != sizeof fields)
    return fail(Errc::kInvalidArgument, "open: bad blob",
                fmt::format("loopback: a blob has {} bytes, found {}", sizeof fields, blob.size()));
  std::memcpy(&fields, blob.data(), sizeof fields);
  if (fields.process != static_cast<std::uint64_t>(getpid()))
    return fail(Errc::kInvalidArgument, "open: blob of another process",
                fmt::format("loopback: the peer is process {}, this is {}; use shm", fields.process,
                            getpid()));
  const std::lock_guard lock(board().mutex);
  const auto found = board().published.find(fields.id);
  auto memory = found == board().published.end() ? nullptr : found->second.lock();
  if (memory == nullptr || memory->bytes() != fields.bytes)
    return fail(
        Errc::kInvalidArgument, "open: nothing published",
        fmt::format("loopback: nothing of {} bytes is published as {}", fields.bytes, fields.id));
  const Window window{memory->data(), memory->bytes()};
  return Remote{std::move(memory), window};
}

void Loopback::close() noexcept {
  const std::lock_guard lock(board().mutex);
  for (const std::uint64_t id : published_) board().published.erase(id);
  published_.clear();
  owned_.clear();
}

}  // namespace sluice::transport
