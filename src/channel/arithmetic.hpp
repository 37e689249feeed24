// The reduction that a schedule asks for.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/group_reduce.hpp"
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

/// Type and operator chosen at run time, for a group of any size: a kernel's arithmetic. One
/// switch a call, none an element.
struct GroupArithmetic {
  DataType type = DataType::kUint8;
  ReduceOp op = ReduceOp::kSum;
  std::uint32_t divisor = 1;  // kAverage: the number of ranks

  SLUICE_FN GroupArithmetic partial() const { return {type, op, 1}; }

  template <ThreadGroup Group>
  SLUICE_FN void reduce(const Group& group, void* const* destinations, unsigned destination_count,
                        const void* const* sources, unsigned source_count, std::uint64_t bytes,
                        bool last, unsigned /*streaming_mask*/) const {
    if (bytes == 0) return;
    group_reduce::with_element(type, [&](auto element) {
      using Element = decltype(element);
      const compute::ReduceArguments arguments{.destinations = destinations,
                                               .destination_count = destination_count,
                                               .sources = sources,
                                               .source_count = source_count,
                                               .count = bytes / sizeof(typename Element::Stored),
                                               .divisor = last ? divisor : 1,
                                               .streaming_mask = 0};
      group_reduce::reduce<Element>(group, arguments, op);
    });
  }
};
static_assert(Arithmetic<GroupArithmetic>);

/// What schedules that only move bytes do with arithmetic: copy one source to several places.
struct GroupCopying {
  SLUICE_FN GroupCopying partial() const { return *this; }

  template <ThreadGroup Group>
  SLUICE_FN void reduce(const Group& group, void* const* destinations, unsigned destination_count,
                        const void* const* sources, unsigned /*source_count*/, std::uint64_t bytes,
                        bool /*last*/, unsigned /*streaming_mask*/) const {
    for (unsigned d = 0; d < destination_count; ++d)
      copy(group, destinations[d], sources[0], bytes);
  }
};
static_assert(Arithmetic<GroupCopying>);

/// compute::scale() by a group; not a barrier. `factor_at`: an element that is the factor, instead
/// of the numbers; null: there is none.
template <ThreadGroup Group>
SLUICE_FN void scale_elements(const Group& group, void* destination, const void* source,
                              std::uint64_t count, DataType type, double factor,
                              std::uint64_t integer_factor, const void* factor_at = nullptr) {
  group_reduce::with_element(type, [&](auto element) {
    using Element = decltype(element);
    using Wide = typename Element::Wide;
    Wide wide;
    if constexpr (std::is_floating_point_v<Wide>)
      wide = static_cast<Wide>(factor);
    else
      wide = static_cast<Wide>(integer_factor);
    if (factor_at != nullptr) {
      typename Element::Stored stored;
      port::copy_bytes(&stored, factor_at, sizeof stored);
      wide = Element::widen(stored);
    }
    group_reduce::scale<Element>(group, destination, source, count, wide);
  });
}

}  // namespace sluice
