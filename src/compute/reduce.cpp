// The public functions of reduce.hpp: from (type, op) to the kernel of this processor.
#include "compute/reduce.hpp"

#include "compute/families.hpp"
#include "compute/targets.hpp"

// Must follow targets.hpp.
#include <hwy/targets.h>

namespace sluice::compute {
namespace {

/// The operator that the sources are combined with.
ReduceOp combining_op(ReduceOp op) {
  return op == ReduceOp::kAverage || op == ReduceOp::kPreMulSum ? ReduceOp::kSum : op;
}

Kernels find_kernels(DataType type, ReduceOp op) {
  switch (type) {
    case DataType::kFloat32:
    case DataType::kFloat64: return float_kernels(type, op);
    case DataType::kInt8:
    case DataType::kUint8: return byte_kernels(type, op);
    case DataType::kFloat16:
    case DataType::kBfloat16: return half_kernels(type, op);
    case DataType::kFloat8E4M3:
    case DataType::kFloat8E5M2: return float8_kernels(type, op);
    default: return integer_kernels(type, op);
  }
}

}  // namespace

ReduceFunction reduce_function(DataType type, ReduceOp op) {
  return find_kernels(type, combining_op(op)).reduce;
}

void scale(void* destination, const void* source, std::size_t count, DataType type, double factor,
           std::uint64_t integer_factor) noexcept {
  const ScaleFunction kernel = find_kernels(type, ReduceOp::kSum).scale;
  if (kernel != nullptr) kernel({destination, source, count, factor, integer_factor});
}

const char* instruction_set() {
  const std::int64_t usable = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(usable & -usable);  // the lowest bit is the best
}

}  // namespace sluice::compute
