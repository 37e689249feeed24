// The kernels of the 8-bit integers, for every instruction set that the compiler can generate.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/reduce_byte.cpp"
#include "compute/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include "compute/reduce_kernels-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {

Kernels select_byte(DataType type, ReduceOp op) {
  switch (type) {
    case DataType::kInt8: return kernels<Arithmetic<std::int8_t>, Arithmetic<std::uint8_t>>(op);
    case DataType::kUint8: return kernels<Arithmetic<std::uint8_t>>(op);
    default: return {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::compute {

HWY_EXPORT(select_byte);

Kernels byte_kernels(DataType type, ReduceOp op) {
  return HWY_DYNAMIC_DISPATCH(select_byte)(type, op);
}

}  // namespace sluice::compute
#endif
