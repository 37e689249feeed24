// The kernels in plain C++, for processors without a vector unit that reduce_kernels-inl.hpp knows.
#pragma once

#include <cstring>
#include <type_traits>

#include "compute/element.hpp"
#include "compute/families.hpp"
#include "compute/scalar.hpp"

namespace sluice::compute::scalar {

template <class Element>
typename Element::Wide load(const void* source, std::size_t i) {
  typename Element::Stored value;
  std::memcpy(&value, static_cast<const char*>(source) + i * sizeof(value), sizeof(value));
  return Element::widen(value);
}

template <class Element>
void store(void* destination, std::size_t i, typename Element::Wide wide) {
  const typename Element::Stored value = Element::narrow(wide);
  std::memcpy(static_cast<char*>(destination) + i * sizeof(value), &value, sizeof(value));
}

template <class Element, class Op>
void reduce(const ReduceArguments& a) noexcept {
  using Wide = typename Element::Wide;
  for (std::size_t i = 0; i < a.count; ++i) {
    Wide value = load<Element>(a.sources[0], i);
    for (unsigned s = 1; s < a.source_count; ++s)
      value = Op::combine(value, load<Element>(a.sources[s], i));
    if constexpr (std::is_same_v<Op, Sum>) value = average(value, a.divisor);
    for (unsigned d = 0; d < a.destination_count; ++d) store<Element>(a.destinations[d], i, value);
  }
}

template <class Element>
void scale(const ScaleArguments& a) noexcept {
  using Wide = typename Element::Wide;
  Wide factor;
  if constexpr (std::is_floating_point_v<Wide>)
    factor = static_cast<Wide>(a.factor);
  else
    factor = static_cast<Wide>(a.integer_factor);
  for (std::size_t i = 0; i < a.count; ++i)
    store<Element>(a.destination, i, Product::combine(load<Element>(a.source, i), factor));
}

template <class Element>
Kernels kernels(ReduceOp op) {
  switch (op) {
    case ReduceOp::kProduct: return {reduce<Element, Product>, scale<Element>};
    case ReduceOp::kMin: return {reduce<Element, Extreme<false>>, scale<Element>};
    case ReduceOp::kMax: return {reduce<Element, Extreme<true>>, scale<Element>};
    default: return {reduce<Element, Sum>, scale<Element>};
  }
}

}  // namespace sluice::compute::scalar
