// shareable.hpp where memory has no descriptor: other processes open allocations by their handle.
// HIP has calls for virtual memory, but none of them makes the fine-grained kind, which flags need.
#include <fmt/format.h>

#include "base/error.hpp"
#include "device/beside_captures.hpp"
#include "device/device.hpp"
#include "device/shareable.hpp"
#include "vendor.hpp"

namespace sluice::device {
namespace {

Status no_descriptors() {
  return fail(Errc::kGpuError, "no descriptors of device memory",
              "with HIP no device memory has a descriptor: another process's is opened by its "
              "handle");
}

}  // namespace

Result<void*> allocate_shareable(std::uint64_t bytes) { return allocate(bytes); }

Status release_shareable(void* memory) { return release(memory); }

Result<Allocation> allocation_of(const void* pointer) {
  const BesideCaptures beside;
  hipDeviceptr_t base = nullptr;
  std::size_t bytes = 0;
  const hipError_t error =
      vendor::functions().MemGetAddressRange(&base, &bytes, const_cast<void*>(pointer));
  if (error == hipSuccess) return Allocation{static_cast<std::byte*>(base), bytes};
  static_cast<void>(vendor::functions().GetLastError());
  const bool none = vendor::means_none(error);
  return fail(none ? Errc::kSystemError : Errc::kGpuError,
              none ? "no device" : "a call of the GPU's runtime failed",
              fmt::format("looking for the allocation of {}: {}{} ({}, {})", pointer,
                          none ? "no HIP device can be used here: " : "",
                          vendor::functions().GetErrorString(error),
                          vendor::functions().GetErrorName(error), static_cast<int>(error)));
}

Result<Fd> descriptor_of(void*) { return Fd(); }

Result<void*> open_shareable(const Fd&, std::uint64_t) { return no_descriptors(); }

Status close_shareable(void*, std::uint64_t) { return no_descriptors(); }

}  // namespace sluice::device
