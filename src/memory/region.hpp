// Memory that more than one process can reach: the Region that names it and the SharedMemory that
// owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/fd.hpp"
#include "sluice/device.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// A stretch of memory in this process's addresses. Owns nothing.
struct Region {
  std::byte* base = nullptr;
  std::uint64_t bytes = 0;
  MemoryKind kind = MemoryKind::kHost;

  /// Whether [offset, offset + length) lies inside. No sum is formed that could overflow.
  constexpr bool contains(std::uint64_t offset, std::uint64_t length) const {
    return offset <= bytes && length <= bytes - offset;
  }
};
static_assert(std::is_trivially_copyable_v<Region>);

/// Owns an anonymous shared file (memfd) and its mapping here. It has no name in any file system:
/// it is gone when the last process that holds the descriptor or a mapping is gone, however that
/// process ended.
class SharedMemory {
 public:
  /// Zeroed memory of `bytes`, its size sealed for ever. From 2 MiB up aligned to 2 MiB and in huge
  /// pages if the system gives them. `label` shows in /proc/<pid>/maps. Pages come into being when
  /// they are first touched, so success does not promise that the memory is there (see populate());
  /// more than all RAM and swap is refused at once.
  static Result<SharedMemory> create(std::uint64_t bytes, const char* label);

  /// Maps the first `expected_bytes` of a file that another process created. Refuses one that is
  /// smaller or could still shrink, because touching a page behind its end would kill this process
  /// (SIGBUS).
  static Result<SharedMemory> map(Fd fd, std::uint64_t expected_bytes);

  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory() { unmap(); }

  std::byte* data() const { return data_; }
  std::uint64_t bytes() const { return bytes_; }
  int fd() const { return fd_.get(); }
  Region region() const { return {data_, bytes_, MemoryKind::kHost}; }

  /// Brings every page into being now, on this thread's NUMA node and in huge pages where possible:
  /// later touches do not fail, and are much cheaper for peers too. Keeps the content; the memory
  /// may be in use.
  Status populate() const;

 private:
  SharedMemory(Fd fd, std::byte* data, std::uint64_t bytes)
      : fd_(std::move(fd)), data_(data), bytes_(bytes) {}
  void unmap();

  Fd fd_;
  std::byte* data_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace sluice
