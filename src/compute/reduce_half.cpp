// The kernels of float16 and bfloat16, for every instruction set that the compiler can generate.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/reduce_half.cpp"
#include "compute/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include "compute/reduce_kernels-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {

Kernels select_half(DataType type, ReduceOp op) {
  switch (type) {
    case DataType::kFloat16: return kernels<Float16>(op);
    case DataType::kBfloat16: return kernels<Bfloat16>(op);
    default: return {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::compute {

HWY_EXPORT(select_half);

Kernels half_kernels(DataType type, ReduceOp op) {
  return HWY_DYNAMIC_DISPATCH(select_half)(type, op);
}

}  // namespace sluice::compute
#endif
