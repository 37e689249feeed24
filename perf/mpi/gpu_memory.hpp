// Memory of the first GPU, through CUDA's driver, which is loaded when it is first asked for: after
// MPI_Init, as a program's own runtime would be.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mpi_perf {

/// What a program says with its exit status where there is no GPU.
inline constexpr int kNoGpu = 77;

class Gpu {
 public:
  using Pointer = std::uint64_t;

  /// What cuMemcpy2DAsync takes; the driver's CUDA_MEMCPY2D_v2.
  struct Copy2D {
    std::size_t from_x = 0, from_y = 0;
    int from_kind = 2;  // device memory
    const void* from_host = nullptr;
    Pointer from = 0;
    void* from_array = nullptr;
    std::size_t from_pitch = 0;
    std::size_t to_x = 0, to_y = 0;
    int to_kind = 2;
    void* to_host = nullptr;
    Pointer to = 0;
    void* to_array = nullptr;
    std::size_t to_pitch = 0;
    std::size_t width = 0, height = 0;
  };

  /// With its primary context current to this thread; null where there is none. What fails later
  /// ends the process.
  static const Gpu* find();

  /// Filled with something.
  Pointer allocate(std::int64_t bytes) const;
  void free(Pointer memory) const;
  void copy(Pointer to, Pointer from, std::int64_t bytes) const;
  void copy(const Copy2D& call) const;
  /// For what is on the default stream.
  void wait() const;

 private:
  Gpu() = default;
  bool open();

  int (*allocate_)(Pointer*, std::size_t) = nullptr;
  int (*free_)(Pointer) = nullptr;
  int (*clear_)(Pointer, unsigned char, std::size_t) = nullptr;
  int (*copy_)(Pointer, Pointer, std::size_t, void*) = nullptr;
  int (*copy_2d_)(const Copy2D*, void*) = nullptr;
  int (*wait_)(void*) = nullptr;
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
