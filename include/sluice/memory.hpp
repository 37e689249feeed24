// Memory that peers can reach.
//
// Any memory may be passed to a collective. Buffers from alloc() are faster from about 64 KiB up:
// other processes map them, so data moves once, without staging. The content is ordinary memory to
// its owner.
//
// Device memory is what collectives on a stream take (sluice/on_stream.hpp); any that the GPU's
// runtime returned will do there, too.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "sluice/device.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// `bytes` of zeroed memory, page aligned, in huge pages when the system has them; of kind kDevice
/// on the calling thread's GPU, aligned to 256 bytes. Free with free(). Thread-safe. Errors:
/// kInvalidArgument (0 bytes), kSystemError (no memory, no descriptors; no GPU, no driver),
/// kGpuError (no memory on it).
Result<void*> alloc(std::size_t bytes, MemoryKind kind = MemoryKind::kHost);

/// Gives memory from alloc() back. No collective may be using it; of device memory the call may
/// wait for all that the GPU does. nullptr is fine; a pointer that alloc() did not return is
/// kInvalidArgument and frees nothing. Thread-safe.
Status free(void* pointer);

/// Owns alloc() memory for `count` elements of T.
template <class T>
class Buffer {
 public:
  static Result<Buffer> create(std::size_t count) {
    auto memory = alloc(count * sizeof(T));
    if (!memory.ok()) return memory.status();
    return Buffer(static_cast<T*>(memory.value()), count);
  }
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<T> span() const { return {data_.get(), size_}; }
  T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(T* pointer) const { static_cast<void>(sluice::free(pointer)); }
  };
  Buffer(T* data, std::size_t count) : data_(data), size_(count) {}

  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace sluice
