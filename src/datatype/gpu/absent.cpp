// In place of kernels.cu where there is no nvcc.
#include "datatype/gpu/kernels.hpp"

namespace sluice::datatype::gpu {

const void* pack_kernel() { return nullptr; }
const void* unpack_kernel() { return nullptr; }

}  // namespace sluice::datatype::gpu
