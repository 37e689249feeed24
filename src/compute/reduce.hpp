// Element-wise arithmetic on host memory: vectorised, the instruction set chosen at run time.
//
// Everything here is right for any alignment and any count, never reads or writes outside
// [pointer, pointer + count), allocates nothing and is safe to call from several threads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sluice/types.hpp"

namespace sluice::compute {

/// What one reduction reads and writes. A destination may be exactly equal to a source; no other
/// overlap.
struct ReduceArguments {
  void* const* destinations;
  unsigned destination_count;    // >= 1; each gets the same result
  const void* const* sources;    // added from first to last: the order is part of the contract
  unsigned source_count;         // >= 1
  std::size_t count;             // elements
  std::uint32_t divisor;         // kAverage: the result is divided by it; 0 or 1: it is not
  std::uint32_t streaming_mask;  // bit d: write destination d past the caches (not read soon)
};

using ReduceFunction = void (*)(const ReduceArguments&) noexcept;

/// The kernel for (type, op) on this processor. kAverage and kPreMulSum give the kernel of kSum:
/// the average is its divisor, the scaling is scale()'s. Fetch it once per operation: the pointer
/// is the instruction set's own function, nothing is dispatched in it. nullptr for a type outside
/// the enumeration.
///
/// The same sources give the same bits for every count, alignment, number of destinations and
/// instruction set:
/// - Integers wrap. Integer averages truncate the wrapped sum's quotient towards zero.
/// - 8- and 16-bit floats are widened to float32, combined over all sources (and divided) there,
///   rounded once (to nearest even). float16 and bfloat16 overflow to infinity. The 8-bit floats
///   saturate: a result that is too large, infinity included, is +-448 (e4m3) or +-57344 (e5m2),
///   with every operator, as CUDA's __NV_SATFINITE does.
/// - NaN in any source gives NaN, also in min and max; -0 is less than +0. Every NaN result is the
///   one positive quiet NaN of its type: 0x7f (both 8-bit floats), 0x7e00, 0x7fc0, 0x7fc00000,
///   0x7ff8000000000000.
/// - Nothing is fused. Averages are divided, not multiplied by a reciprocal.
/// The kernels of other operators than kSum, kAverage and kPreMulSum ignore the divisor.
///
/// Writes past the caches are ordered before any later store when the function returns (it fences).
/// Streaming is a wish: results under 1 KiB, the ends of a range that are no whole cache lines,
/// destinations from the 33rd, and destinations whose cache lines do not begin at the same elements
/// as those of the first streamed one are written through the caches.
ReduceFunction reduce_function(DataType type, ReduceOp op);

/// destination[i] = source[i] * factor. `scale` (in float32, for float64 in double) for
/// floating-point types, `integer_scale` modulo 2^bits for the others. Rounding, NaN and overflow
/// as above. In place is allowed.
void scale(void* destination, const void* source, std::size_t count, DataType type, double scale,
           std::uint64_t integer_scale) noexcept;

/// memcpy through the caches.
void copy(void* destination, const void* source, std::size_t bytes) noexcept;

/// memcpy with streaming stores: for large destinations that nobody reads soon. Fences like a
/// ReduceFunction.
void copy_streaming(void* destination, const void* source, std::size_t bytes) noexcept;

/// The instruction set chosen ("AVX3", "AVX2", "NEON", ...), for logs and benchmarks.
const char* instruction_set();

}  // namespace sluice::compute
