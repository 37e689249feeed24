// Memory of the first GPU, through CUDA's driver or HIP's runtime, which is loaded when it is first
// asked for: after MPI_Init, as a program's own runtime would be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mpi_perf {

/// What a program says with its exit status where there is no GPU.
inline constexpr int kNoGpu = 77;

/// What fails ends the process.
class Gpu {
 public:
  using Pointer = std::uint64_t;

  /// Rows of `width` bytes.
  struct Plane {
    Pointer to = 0, from = 0;
    std::size_t to_pitch = 0, from_pitch = 0;
    std::size_t width = 0, height = 0;
  };

  /// Current to this thread; null where there is none.
  static const Gpu* find();

  /// Filled with something.
  Pointer allocate(std::int64_t bytes) const;
  virtual void free(Pointer memory) const = 0;
  virtual void copy(Pointer to, Pointer from, std::int64_t bytes) const = 0;
  virtual void copy(const Plane& plane) const = 0;
  /// For what is on the default stream.
  virtual void wait() const = 0;
  /// The functions by which MPI libraries say that they take its memory, each its own.
  virtual std::vector<const char*> queries() const = 0;

 protected:
  ~Gpu() = default;
  virtual Pointer obtain(std::size_t bytes) const = 0;
  virtual void fill(Pointer memory, std::size_t bytes) const = 0;
};

class GpuMemory {
 public:
  GpuMemory(const Gpu& gpu, std::int64_t bytes) : gpu_(gpu), at_(gpu.allocate(bytes)) {}
  ~GpuMemory() { gpu_.free(at_); }
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;
  operator Gpu::Pointer() const { return at_; }

 private:
  const Gpu& gpu_;
  Gpu::Pointer at_;
};

}  // namespace mpi_perf
