#include "transports/loopback/loopback.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "base/error.hpp"

namespace sluice::transport {

class loopback::Memory {
 public:
  explicit Memory(Window window) : window_(window) {}
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { munmap(window_.base, window_.bytes); }
  Window window() const { return window_; }

 private:
  Window window_;
};

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
  std::map<std::uint64_t, std::weak_ptr<loopback::Memory>> published;
};

Board& board() {
  static Board* const instance =
      new Board;  // never destroyed: communicators may outlive static objects
  return *instance;
}

}  // namespace

Result<Window> Loopback::allocate(std::uint64_t bytes) {
  if (bytes == 0)
    return fail(Errc::kInvalidArgument, "allocate: 0 bytes", "loopback: cannot allocate 0 bytes");
  // Mapped, not new: pages that no rank touches cost nothing.
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return fail_os("mmap failed", fmt::format("loopback: cannot allocate {} bytes", bytes), errno);
  const Window window{static_cast<std::byte*>(base), bytes};
  owned_.push_back(std::make_shared<loopback::Memory>(window));
  return window;
}

Result<Blob> Loopback::publish(Window window) {
  for (const auto& memory : owned_) {
    if (memory->window().base != window.base || memory->window().bytes != window.bytes) continue;
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
  if (memory == nullptr || memory->window().bytes != fields.bytes)
    return fail(
        Errc::kInvalidArgument, "open: nothing published",
        fmt::format("loopback: nothing of {} bytes is published as {}", fields.bytes, fields.id));
  const Window window = memory->window();
  return Remote{std::move(memory), window};
}

void Loopback::close() noexcept {
  const std::lock_guard lock(board().mutex);
  for (const std::uint64_t id : published_) board().published.erase(id);
  published_.clear();
  owned_.clear();
}

}  // namespace sluice::transport
