#include "gpu.hpp"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace mpi_test {
namespace {

/// Loaded when it is first used, which is after MPI_Init: as a program's own runtime does it.
class Driver {
 public:
  static Driver& instance() {
    static Driver driver;
    return driver;
  }

  std::byte* allocate(std::size_t bytes) {
    std::uint64_t memory = 0;
    must(call<int(std::uint64_t*, std::size_t)>("cuMemAlloc_v2")(&memory, bytes + 1), "cuMemAlloc");
    return reinterpret_cast<std::byte*>(memory);
  }
  void free(std::byte* memory) {
    must(call<int(std::uint64_t)>("cuMemFree_v2")(reinterpret_cast<std::uint64_t>(memory)),
         "cuMemFree");
  }
  void copy(void* to, const void* from, std::size_t bytes) {
    must(call<int(std::uint64_t, std::uint64_t, std::size_t)>("cuMemcpy")(
             reinterpret_cast<std::uint64_t>(to), reinterpret_cast<std::uint64_t>(from), bytes),
         "cuMemcpy");
  }

 private:
  Driver() : library_(::dlopen("libcuda.so.1", RTLD_NOW)) {
    if (library_ == nullptr) must(-1, ::dlerror());
    void* context = nullptr;
    must(call<int(unsigned)>("cuInit")(0), "cuInit");
    must(call<int(void**, int)>("cuDevicePrimaryCtxRetain")(&context, 0), "a context");
    must(call<int(void*)>("cuCtxSetCurrent")(context), "cuCtxSetCurrent");
  }

  static void must(int error, const char* what) {
    if (error == 0) return;
    std::fprintf(stderr, "a test's GPU: %s: error %d\n", what, error);
    std::abort();
  }
  template <class Call>
  Call* call(const char* name) {
    return reinterpret_cast<Call*>(::dlsym(library_, name));
  }

  void* library_;
};

}  // namespace

bool GpuCopy::wanted() {
  static const bool value = [] {
    const char* const asked = std::getenv("SLUICE_TEST_GPU");
    return asked != nullptr && std::strcmp(asked, "1") == 0;
  }();
  return value;
}

GpuCopy::GpuCopy(GpuCopy&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}

GpuCopy::~GpuCopy() {
  if (memory_ != nullptr) Driver::instance().free(memory_);
}

std::byte* GpuCopy::of(const std::vector<std::byte>& bytes) {
  if (memory_ == nullptr) {
    memory_ = Driver::instance().allocate(bytes.size());
    renew(bytes);
  }
  return memory_;
}

void GpuCopy::renew(const std::vector<std::byte>& bytes) {
  if (memory_ != nullptr) Driver::instance().copy(memory_, bytes.data(), bytes.size());
}

void GpuCopy::fetch(std::vector<std::byte>& bytes) const {
  if (memory_ != nullptr) Driver::instance().copy(bytes.data(), memory_, bytes.size());
}

}  // namespace mpi_test
