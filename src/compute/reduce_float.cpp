// The kernels of float32 and float64, for every instruction set that the compiler can generate.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/reduce_float.cpp"
#include "compute/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include "compute/reduce_kernels-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {

Kernels select_float(DataType type, ReduceOp op) {
  switch (type) {
    case DataType::kFloat32: return kernels<Float32>(op);
    case DataType::kFloat64: return kernels<Float64>(op);
    default: return {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::compute {

HWY_EXPORT(select_float);

Kernels float_kernels(DataType type, ReduceOp op) {
  return HWY_DYNAMIC_DISPATCH(select_float)(type, op);
}

}  // namespace sluice::compute
#endif
