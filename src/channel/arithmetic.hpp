// The reduction that a schedule asks for.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/thread_group.hpp"
#include "compute/reduce.hpp"

namespace sluice {

/// destinations[d] = sources[0] op sources[1] op ..., `bytes` of each, by all threads of `group`
/// (not a barrier). `last`: the operands complete the reduction, so what belongs at its end (an
/// average's division) is done now. Bit d of `streaming_mask`: write destination d past the caches.
template <class A>
concept Arithmetic = requires(const A& arithmetic, const struct HostThread& group,
                              void* const* destinations, const void* const* sources, unsigned n,
                              std::uint64_t bytes, bool last) {
  arithmetic.reduce(group, destinations, n, sources, n, bytes, last, n);
};

/// Type and operator chosen at run time: a vectorised kernel of src/compute.
struct HostArithmetic {
  compute::ReduceFunction function = nullptr;
  std::uint32_t elem_bytes = 1;
  std::uint32_t divisor = 1;  // kAverage: the number of ranks

  /// For sums that others are still to be added to.
  HostArithmetic partial() const { return {function, elem_bytes, 1}; }

  void reduce(const HostThread&, void* const* destinations, unsigned destination_count,
              const void* const* sources, unsigned source_count, std::uint64_t bytes, bool last,
              unsigned streaming_mask) const {
    if (bytes == 0) return;
    function({.destinations = destinations,
              .destination_count = destination_count,
              .sources = sources,
              .source_count = source_count,
              .count = bytes >> std::countr_zero(elem_bytes),  // elements have 1, 2, 4 or 8 bytes
              .divisor = last ? divisor : 1,
              .streaming_mask = streaming_mask});
  }
};
static_assert(Arithmetic<HostArithmetic>);

/// Type and operator chosen at compile time: plain loops for any group. `Op` is a function object.
template <class T, class Op>
struct TypedArithmetic {
  Op op{};

  SLUICE_FN TypedArithmetic partial() const { return *this; }

  template <ThreadGroup Group>
  SLUICE_FN void reduce(const Group& group, void* const* destinations, unsigned destination_count,
                        const void* const* sources, unsigned source_count, std::uint64_t bytes,
                        bool /*last*/, unsigned /*streaming_mask*/) const {
    for (std::uint64_t i = group.rank(); i < bytes / sizeof(T); i += group.size()) {
      T sum = static_cast<const T*>(sources[0])[i];
      for (unsigned s = 1; s < source_count; ++s)
        sum = op(sum, static_cast<const T*>(sources[s])[i]);
      for (unsigned d = 0; d < destination_count; ++d) static_cast<T*>(destinations[d])[i] = sum;
    }
  }
};

}  // namespace sluice
