// Memory for packed messages. Each thread keeps what it has used, up to a bound; what is in use is
// bounded for the process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::mpi::pool {

/// Aligned to 64 bytes; null when more would be in use than SLUICE_MPI_BUFFER_MB allows, or there
/// is no memory. Any thread may release what any other has acquired.
/// `must`: also beyond that bound.
std::byte* acquire(std::int64_t bytes, bool must = false);
void release(std::byte* memory);

/// Released when it goes out of scope.
class Buffer {
 public:
  Buffer() : memory_(nullptr) {}
  explicit Buffer(std::int64_t bytes, bool must = false) : memory_(pool::acquire(bytes, must)) {}
  ~Buffer() {
    if (memory_ != nullptr) release(memory_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  /// Of an empty one. Whether there was memory.
  bool acquire(std::int64_t bytes, bool must) {
    memory_ = pool::acquire(bytes, must);
    return memory_ != nullptr;
  }
  std::byte* get() const { return memory_; }
  explicit operator bool() const { return memory_ != nullptr; }

 private:
  std::byte* memory_;
};

}  // namespace sluice::mpi::pool
