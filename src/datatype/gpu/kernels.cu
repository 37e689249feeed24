// The kernels that pack and unpack. Their names are those of C, for who loads them from an image:
// kernels.hpp.
#include "datatype/gpu/kernels.hpp"
#include "datatype/gpu/move.hpp"

namespace sluice::datatype::gpu {
namespace {

/// All threads of the launch.
struct Grid {
  __device__ std::uint64_t rank() const {
    return static_cast<std::uint64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  }
  __device__ std::uint64_t size() const {
    return static_cast<std::uint64_t>(gridDim.x) * blockDim.x;
  }
};

}  // namespace

extern "C" __global__ void __launch_bounds__(kThreads)
    sluice_pack(const SLUICE_KERNEL_CONSTANT Plan plan, const std::byte* user, std::byte* packed) {
  move<true>(Grid(), plan, const_cast<std::byte*>(user), packed);
}

extern "C" __global__ void __launch_bounds__(kThreads)
    sluice_unpack(const SLUICE_KERNEL_CONSTANT Plan plan, const std::byte* packed,
                  std::byte* user) {
  move<false>(Grid(), plan, user, const_cast<std::byte*>(packed));
}

const void* pack_kernel() { return reinterpret_cast<const void*>(sluice_pack); }
const void* unpack_kernel() { return reinterpret_cast<const void*>(sluice_unpack); }

}  // namespace sluice::datatype::gpu
