// The kernels of the 32- and 64-bit integers, for every instruction set that the compiler can
// generate.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/reduce_integer.cpp"
#include "compute/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include "compute/reduce_kernels-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {

Kernels select_integer(DataType type, ReduceOp op) {
  switch (type) {
    case DataType::kInt32: return kernels<Arithmetic<std::int32_t>, Arithmetic<std::uint32_t>>(op);
    case DataType::kUint32: return kernels<Arithmetic<std::uint32_t>>(op);
    case DataType::kInt64: return kernels<Arithmetic<std::int64_t>, Arithmetic<std::uint64_t>>(op);
    case DataType::kUint64: return kernels<Arithmetic<std::uint64_t>>(op);
    default: return {};
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::compute {

HWY_EXPORT(select_integer);

Kernels integer_kernels(DataType type, ReduceOp op) {
  return HWY_DYNAMIC_DISPATCH(select_integer)(type, op);
}

}  // namespace sluice::compute
#endif
