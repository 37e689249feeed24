#include "gpu_memory.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace mpi_perf {
namespace {

constexpr unsigned char kFilling = 7;

void must(int error, const char* what) {
  if (error == 0) return;
  std::fprintf(stderr, "sluice-mpi-perf: the GPU's runtime: %s: error %d\n", what, error);
  std::exit(1);
}

/// Functions of a library, all of which have to be there.
class Library {
 public:
  bool open(const char* name) {
    library_ = ::dlopen(name, RTLD_NOW);
    return library_ != nullptr;
  }
  template <class Function>
  void find(const char* name, Function& function) const {
    function = reinterpret_cast<Function>(::dlsym(library_, name));
    must(function != nullptr ? 0 : -1, name);
  }

 private:
  void* library_ = nullptr;
};

class Cuda final : public Gpu {
 public:
  /// Whether there is a GPU. Its primary context is current to this thread then.
  bool open() {
    Library library;
    int (*init)(unsigned) = nullptr;
    int (*retain)(void**, int) = nullptr;
    int (*set)(void*) = nullptr;
    void* context = nullptr;
    if (!library.open("libcuda.so.1")) return false;
    library.find("cuInit", init);
    library.find("cuDevicePrimaryCtxRetain", retain);
    library.find("cuCtxSetCurrent", set);
    if (init(0) != 0 || retain(&context, 0) != 0) return false;
    must(set(context), "cuCtxSetCurrent");
    library.find("cuMemAlloc_v2", allocate_);
    library.find("cuMemFree_v2", free_);
    library.find("cuMemsetD8_v2", fill_);
    library.find("cuMemcpyAsync", copy_);
    library.find("cuMemcpy2DAsync_v2", copy_2d_);
    library.find("cuStreamSynchronize", wait_);
    return true;
  }

  void free(Pointer memory) const override { must(free_(memory), "cuMemFree"); }
  void copy(Pointer to, Pointer from, std::int64_t bytes) const override {
    must(copy_(to, from, static_cast<std::size_t>(bytes), nullptr), "cuMemcpyAsync");
  }
  void copy(const Plane& plane) const override {
    Copy2D call;
    call.from = plane.from;
    call.from_pitch = plane.from_pitch;
    call.to = plane.to;
    call.to_pitch = plane.to_pitch;
    call.width = plane.width;
    call.height = plane.height;
    must(copy_2d_(&call, nullptr), "cuMemcpy2DAsync");
  }
  void wait() const override { must(wait_(nullptr), "cuStreamSynchronize"); }
  std::vector<const char*> queries() const override { return {"MPIX_Query_cuda_support"}; }

 private:
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

  Pointer obtain(std::size_t bytes) const override {
    Pointer memory = 0;
    must(allocate_(&memory, bytes), "cuMemAlloc");
    return memory;
  }
  void fill(Pointer memory, std::size_t bytes) const override {
    must(fill_(memory, kFilling, bytes), "cuMemsetD8");
  }

  int (*allocate_)(Pointer*, std::size_t) = nullptr;
  int (*free_)(Pointer) = nullptr;
  int (*fill_)(Pointer, unsigned char, std::size_t) = nullptr;
  int (*copy_)(Pointer, Pointer, std::size_t, void*) = nullptr;
  int (*copy_2d_)(const Copy2D*, void*) = nullptr;
  int (*wait_)(void*) = nullptr;
};

class Hip final : public Gpu {
 public:
  /// Whether there is a GPU. It is this thread's then, as it is at first.
  bool open() {
    Library library;
    int (*count)(int*) = nullptr;
    int devices = 0;
    bool is_there = false;
    for (const char* name : {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5"})
      is_there = is_there || library.open(name);
    if (!is_there) return false;
    library.find("hipGetDeviceCount", count);
    if (count(&devices) != 0 || devices == 0) return false;
    library.find("hipMalloc", allocate_);
    library.find("hipFree", free_);
    library.find("hipMemset", fill_);
    library.find("hipMemcpyAsync", copy_);
    library.find("hipMemcpy2DAsync", copy_2d_);
    library.find("hipStreamSynchronize", wait_);
    return true;
  }

  void free(Pointer memory) const override { must(free_(pointer(memory)), "hipFree"); }
  void copy(Pointer to, Pointer from, std::int64_t bytes) const override {
    must(copy_(pointer(to), pointer(from), static_cast<std::size_t>(bytes), kOnDevice, nullptr),
         "hipMemcpyAsync");
  }
  void copy(const Plane& plane) const override {
    must(copy_2d_(pointer(plane.to), plane.to_pitch, pointer(plane.from), plane.from_pitch,
                  plane.width, plane.height, kOnDevice, nullptr),
         "hipMemcpy2DAsync");
  }
  void wait() const override { must(wait_(nullptr), "hipStreamSynchronize"); }
  std::vector<const char*> queries() const override {
    return {"MPIX_Query_rocm_support", "MPIX_Query_hip_support"};
  }

 private:
  static constexpr int kOnDevice = 3;  ///< from device memory to device memory

  static void* pointer(Pointer memory) { return reinterpret_cast<void*>(memory); }
  Pointer obtain(std::size_t bytes) const override {
    void* memory = nullptr;
    must(allocate_(&memory, bytes), "hipMalloc");
    return reinterpret_cast<Pointer>(memory);
  }
  void fill(Pointer memory, std::size_t bytes) const override {
    must(fill_(pointer(memory), kFilling, bytes), "hipMemset");
  }

  int (*allocate_)(void**, std::size_t) = nullptr;
  int (*free_)(void*) = nullptr;
  int (*fill_)(void*, int, std::size_t) = nullptr;
  int (*copy_)(void*, const void*, std::size_t, int, void*) = nullptr;
  int (*copy_2d_)(void*, std::size_t, const void*, std::size_t, std::size_t, std::size_t, int,
                  void*) = nullptr;
  int (*wait_)(void*) = nullptr;
};

}  // namespace

const Gpu* Gpu::find() {
  static Cuda cuda;
  static Hip hip;
  static const Gpu* const found = [&]() -> const Gpu* {
    if (cuda.open()) return &cuda;
    return hip.open() ? &hip : nullptr;
  }();
  return found;
}

Gpu::Pointer Gpu::allocate(std::int64_t bytes) const {
  const Pointer memory = obtain(static_cast<std::size_t>(bytes));
  fill(memory, static_cast<std::size_t>(bytes));
  wait();  // whatever stream reads it first
  return memory;
}

}  // namespace mpi_perf
