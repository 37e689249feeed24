#include "bindings/nccl/placement.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "bindings/nccl/errors.hpp"

namespace sluice::nccl {
namespace {

/// cuPointerGetAttribute of the driver API, its attribute and the value that means memory of a GPU.
using PointerAttribute = int (*)(void* result, int attribute, unsigned long long pointer);
constexpr int kMemoryType = 2;
constexpr unsigned kDeviceMemory = 2;

/// Null where no driver is loaded: then nobody can have memory of a GPU. It is only looked for,
/// never loaded; a program that has device memory has loaded it. Looked for once, at the first call
/// that moves data.
PointerAttribute driver() {
  static const auto function = [] {
    void* const library = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr
               ? nullptr
               : reinterpret_cast<PointerAttribute>(::dlsym(library, "cuPointerGetAttribute"));
  }();
  return function;
}

bool is_on_device(PointerAttribute attribute, const void* pointer) {
  unsigned type = 0;
  return pointer != nullptr &&
         attribute(&type, kMemoryType, reinterpret_cast<std::uintptr_t>(pointer)) == 0 &&
         type == kDeviceMemory;
}

Status refuse(const void* input, const void* output, PointerAttribute attribute) {
  const bool in = is_on_device(attribute, input), out = is_on_device(attribute, output);
  if (!in && !out) return {};
  if (in != out && input != nullptr && output != nullptr)
    return bad_usage(
        fmt::format("one buffer is memory of a GPU, the other of the host (send {}, receive {}): "
                    "they must be of one kind, and be the host's",
                    fmt::ptr(input), fmt::ptr(output)));
  return bad_usage("the buffers are memory of a GPU: only host memory is implemented so far");
}

}  // namespace

Status check_placement(const void* input, const void* output, cudaStream_t stream) {
  if (stream != nullptr) [[unlikely]]
    return bad_usage(
        fmt::format("stream {} is not null: calls on host memory run at once, on no stream, and "
                    "memory of a GPU is not implemented so far",
                    fmt::ptr(stream)));
  const PointerAttribute attribute = driver();
  if (attribute == nullptr) [[likely]]
    return {};
  return refuse(input, output, attribute);
}

}  // namespace sluice::nccl
