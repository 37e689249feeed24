// The kernels that pack and unpack.
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

__global__ void __launch_bounds__(kThreads)
    pack(const SLUICE_KERNEL_CONSTANT Plan plan, const std::byte* user, std::byte* packed) {
  move<true>(Grid(), plan, const_cast<std::byte*>(user), packed);
}

__global__ void __launch_bounds__(kThreads)
    unpack(const SLUICE_KERNEL_CONSTANT Plan plan, const std::byte* packed, std::byte* user) {
  move<false>(Grid(), plan, user, const_cast<std::byte*>(packed));
}

}  // namespace

const void* pack_kernel() { return reinterpret_cast<const void*>(pack); }
const void* unpack_kernel() { return reinterpret_cast<const void*>(unpack); }

}  // namespace sluice::datatype::gpu
