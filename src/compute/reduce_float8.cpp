// The kernels of the 8-bit floats, for every instruction set that the compiler can generate.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/reduce_float8.cpp"
#include "compute/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include "compute/reduce_kernels-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {

Kernels select_float8(DataType type, ReduceOp op) {
  switch (type) {
    case DataType::kFloat8E4M3: return kernels<Float8E4M3>(op);
    case DataType::kFloat8E5M2: return kernels<Float8E5M2>(op);
    default: return {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::compute {

HWY_EXPORT(select_float8);

Kernels float8_kernels(DataType type, ReduceOp op) {
  return HWY_DYNAMIC_DISPATCH(select_float8)(type, op);
}

}  // namespace sluice::compute
#endif
