// The kernels come from five source files, one per family of types, to keep each quick to compile.
// Every function here returns nullptr for what is not of its family.
#pragma once

#include <cstdint>

#include "compute/reduce.hpp"

namespace sluice::compute {

/// One scale() call; the factor is whichever the type uses.
struct ScaleArguments {
  void* destination;
  const void* source;
  std::size_t count;
  double factor;
  std::uint64_t integer_factor;
};
using ScaleFunction = void (*)(const ScaleArguments&) noexcept;

struct Kernels {
  ReduceFunction reduce = nullptr;
  ScaleFunction scale = nullptr;
};

/// The kernels of this processor's instruction set, as functions of that set: no dispatch is left
/// in the calls. `op` is one of kSum, kProduct, kMax, kMin.
Kernels float_kernels(DataType type, ReduceOp op);    // float32, float64
Kernels byte_kernels(DataType type, ReduceOp op);     // int8, uint8
Kernels integer_kernels(DataType type, ReduceOp op);  // int32 to uint64
Kernels half_kernels(DataType type, ReduceOp op);     // float16, bfloat16
Kernels float8_kernels(DataType type, ReduceOp op);   // e4m3, e5m2

}  // namespace sluice::compute
