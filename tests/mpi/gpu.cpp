#include "gpu.hpp"

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

namespace mpi_test {
namespace {

/// The runtime whose file SLUICE_TEST_GPU names; null if it names none.
const char* wanted_runtime() {
  static const char* const name = std::getenv("SLUICE_TEST_GPU");
  return name != nullptr && *name != '\0' ? name : nullptr;
}

void must(int error, const char* what) {
  if (error == 0) return;
  std::fprintf(stderr, "a test's GPU: %s: error %d\n", what, error);
  std::abort();
}

/// Loaded when it is first used, which is after MPI_Init: as a program's own runtime does it.
class Runtime {
 public:
  static Runtime& instance();

  virtual ~Runtime() = default;
  virtual std::byte* allocate(std::size_t bytes) = 0;
  virtual void free(std::byte* memory) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;

 protected:
  Runtime() : library_(::dlopen(wanted_runtime(), RTLD_NOW)) {
    if (library_ == nullptr) must(-1, ::dlerror());
  }

  template <class Call, class... Arguments>
  void call(const char* name, Arguments... arguments) {
    auto* const function = reinterpret_cast<Call*>(::dlsym(library_, name));
    must(function != nullptr ? function(arguments...) : -1, name);
  }

 private:
  void* library_;
};

class Cuda final : public Runtime {
 public:
  Cuda() {
    void* context = nullptr;
    call<int(unsigned)>("cuInit", 0);
    call<int(void**, int)>("cuDevicePrimaryCtxRetain", &context, 0);
    call<int(void*)>("cuCtxSetCurrent", context);
  }

  std::byte* allocate(std::size_t bytes) override {
    std::uint64_t memory = 0;
    call<int(std::uint64_t*, std::size_t)>("cuMemAlloc_v2", &memory, bytes);
    return reinterpret_cast<std::byte*>(memory);
  }
  void free(std::byte* memory) override {
    call<int(std::uint64_t)>("cuMemFree_v2", reinterpret_cast<std::uint64_t>(memory));
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    call<int(std::uint64_t, std::uint64_t, std::size_t)>(
        "cuMemcpy", reinterpret_cast<std::uint64_t>(to), reinterpret_cast<std::uint64_t>(from),
        bytes);
  }
};

/// Memory of all GPUs in turn, the last one first, while the first is the program's: and what the
/// program would see of calls that others make is as it was.
class Hip final : public Runtime {
 public:
  Hip() {
    call<int(int*)>("hipGetDeviceCount", &devices_);
    call<int(int)>("hipSetDevice", 0);
  }

  std::byte* allocate(std::size_t bytes) override {
    check_untouched();
    void* memory = nullptr;
    device_ = (device_ + devices_ - 1) % devices_;
    call<int(int)>("hipSetDevice", device_);
    call<int(void**, std::size_t)>("hipMalloc", &memory, bytes);
    call<int(int)>("hipSetDevice", 0);
    return static_cast<std::byte*>(memory);
  }
  void free(std::byte* memory) override {
    check_untouched();
    call<int(void*)>("hipFree", memory);
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    constexpr int kAnyDirection = 4;
    check_untouched();
    call<int(void*, const void*, std::size_t, int)>("hipMemcpy", to, from, bytes, kAnyDirection);
  }

 private:
  void check_untouched() {
    int device = -1;
    call<int()>("hipGetLastError");
    call<int(int*)>("hipGetDevice", &device);
    must(device, "the program's device has been changed");
  }

  int devices_ = 0;
  int device_ = 0;  ///< of the memory allocated last
};

Runtime& Runtime::instance() {
  static const auto runtime = []() -> std::unique_ptr<Runtime> {
    if (std::strncmp(wanted_runtime(), "libcuda", 7) == 0) return std::make_unique<Cuda>();
    return std::make_unique<Hip>();
  }();
  return *runtime;
}

}  // namespace

bool GpuCopy::wanted() { return wanted_runtime() != nullptr; }

GpuCopy::GpuCopy(GpuCopy&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}

GpuCopy::~GpuCopy() {
  if (memory_ != nullptr) Runtime::instance().free(memory_);
}

std::byte* GpuCopy::of(const std::vector<std::byte>& bytes) {
  if (memory_ == nullptr) {
    memory_ = Runtime::instance().allocate(bytes.size() + 1);
    renew(bytes);
  }
  return memory_;
}

void GpuCopy::renew(const std::vector<std::byte>& bytes) {
  if (memory_ != nullptr) Runtime::instance().copy(memory_, bytes.data(), bytes.size());
}

void GpuCopy::fetch(std::vector<std::byte>& bytes) const {
  if (memory_ != nullptr) Runtime::instance().copy(bytes.data(), memory_, bytes.size());
}

}  // namespace mpi_test
