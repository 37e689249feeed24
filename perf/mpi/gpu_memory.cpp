#include "gpu_memory.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

namespace mpi_perf {
namespace {

template <class Function>
bool find_in(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  return function != nullptr;
}

void must(int error, const char* what) {
  if (error == 0) return;
  std::fprintf(stderr, "sluice-mpi-perf: the GPU's driver: %s: error %d\n", what, error);
  std::exit(1);
}

}  // namespace

const Gpu* Gpu::find() {
  static Gpu gpu;
  static const bool is_there = gpu.open();
  return is_there ? &gpu : nullptr;
}

bool Gpu::open() {
  void* const library = ::dlopen("libcuda.so.1", RTLD_NOW);
  int (*init)(unsigned) = nullptr;
  int (*retain)(void**, int) = nullptr;
  int (*set)(void*) = nullptr;
  void* context = nullptr;
  if (library == nullptr || !find_in(library, "cuInit", init) || init(0) != 0 ||
      !find_in(library, "cuDevicePrimaryCtxRetain", retain) ||
      !find_in(library, "cuCtxSetCurrent", set) || retain(&context, 0) != 0)
    return false;
  must(set(context), "cuCtxSetCurrent");
  const bool all =
      find_in(library, "cuMemAlloc_v2", allocate_) && find_in(library, "cuMemFree_v2", free_) &&
      find_in(library, "cuMemsetD8_v2", clear_) && find_in(library, "cuMemcpyAsync", copy_) &&
      find_in(library, "cuMemcpy2DAsync_v2", copy_2d_) &&
      find_in(library, "cuStreamSynchronize", wait_);
  must(all ? 0 : -1, "its functions");
  return true;
}

Gpu::Pointer Gpu::allocate(std::int64_t bytes) const {
  constexpr unsigned char kFilling = 7;
  Pointer memory = 0;
  must(allocate_(&memory, static_cast<std::size_t>(bytes)), "cuMemAlloc");
  must(clear_(memory, kFilling, static_cast<std::size_t>(bytes)), "cuMemsetD8");
  wait();  // whatever stream reads it first
  return memory;
}

void Gpu::free(Pointer memory) const { must(free_(memory), "cuMemFree"); }

void Gpu::copy(Pointer to, Pointer from, std::int64_t bytes) const {
  must(copy_(to, from, static_cast<std::size_t>(bytes), nullptr), "cuMemcpyAsync");
}

void Gpu::copy(const Copy2D& call) const { must(copy_2d_(&call, nullptr), "cuMemcpy2DAsync"); }

void Gpu::wait() const { must(wait_(nullptr), "cuStreamSynchronize"); }

}  // namespace mpi_perf
