// Reductions by a group of several threads: the loops of a kernel. The same bits as the kernels of
// src/compute, whose contract compute/reduce.hpp states.
//
// Where all buffers have the same place in a vector, a thread takes vectors, several at once so
// that several loads are under way; else, and at the ends, it takes elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/port.hpp"
#include "channel/thread_group.hpp"
#include "compute/element.hpp"
#include "compute/reduce.hpp"
#include "compute/scalar.hpp"

namespace sluice::group_reduce {

using compute::ReduceArguments;
using port::Vector16;

/// Combines with the operator chosen at run time: for the few elements outside of vectors.
template <class T>
SLUICE_FN T combine(ReduceOp op, T a, T b) {
  switch (op) {
    case ReduceOp::kProduct: return compute::scalar::Product::combine(a, b);
    case ReduceOp::kMin: return compute::scalar::Extreme<false>::combine(a, b);
    case ReduceOp::kMax: return compute::scalar::Extreme<true>::combine(a, b);
    default: return compute::scalar::Sum::combine(a, b);
  }
}

/// Elements [first, end). `kAligned`: every buffer is, for single elements.
template <class Element, bool kAligned, ThreadGroup Group>
SLUICE_FN void reduce_elements(const Group& group, const ReduceArguments& a, ReduceOp op,
                               std::size_t first, std::size_t end) {
  using Stored = typename Element::Stored;
  const auto load = [](const void* source, std::size_t i) {
    const std::byte* from = static_cast<const std::byte*>(source) + i * sizeof(Stored);
    if constexpr (kAligned) return Element::widen(port::load_aligned<Stored>(from));
    Stored value;
    port::copy_bytes(&value, from, sizeof(Stored));
    return Element::widen(value);
  };
  SLUICE_ROLLED
  for (std::size_t i = first + group.rank(); i < end; i += group.size()) {
    auto sum = load(a.sources[0], i);
    SLUICE_ROLLED
    for (unsigned s = 1; s < a.source_count; ++s) sum = combine(op, sum, load(a.sources[s], i));
    const Stored value = Element::narrow(compute::scalar::average(sum, a.divisor));
    SLUICE_ROLLED
    for (unsigned d = 0; d < a.destination_count; ++d) {
      std::byte* to = static_cast<std::byte*>(a.destinations[d]) + i * sizeof(Stored);
      if constexpr (kAligned)
        port::store_aligned(to, value);
      else
        port::copy_bytes(to, &value, sizeof(Stored));
    }
  }
}

/// The elements of a vector, widened.
template <class Element>
struct WideVector {
  using Stored = typename Element::Stored;
  static constexpr unsigned kElems = sizeof(Vector16) / sizeof(Stored);

  SLUICE_FN static Vector16 fetch(const void* source, std::size_t byte) {
    return port::load_aligned<Vector16>(static_cast<const std::byte*>(source) + byte);
  }
  SLUICE_FN WideVector() {}
  SLUICE_FN explicit WideVector(const Vector16& raw) {
    Stored stored[kElems];
    port::copy_bytes(stored, &raw, sizeof raw);
    for (unsigned e = 0; e < kElems; ++e) elems[e] = Element::widen(stored[e]);
  }
  SLUICE_FN Vector16 narrow() const {
    Stored stored[kElems];
    for (unsigned e = 0; e < kElems; ++e) stored[e] = Element::narrow(elems[e]);
    Vector16 raw;
    port::copy_bytes(&raw, stored, sizeof raw);
    return raw;
  }

  typename Element::Wide elems[kElems];
};

/// `kVectors` vectors at once: at `byte`, and so many times `stride` bytes behind it.
template <class Element, class Op, unsigned kVectors>
SLUICE_FN void reduce_vectors(const ReduceArguments& a, std::size_t byte, std::size_t stride) {
  using Wide = WideVector<Element>;
  Wide sums[kVectors];
  for (unsigned v = 0; v < kVectors; ++v)
    sums[v] = Wide(Wide::fetch(a.sources[0], byte + v * stride));
  SLUICE_ROLLED
  for (unsigned s = 1; s < a.source_count; ++s) {
    const void* const source = a.sources[s];
    Vector16 next[kVectors];
    for (unsigned v = 0; v < kVectors; ++v) next[v] = Wide::fetch(source, byte + v * stride);
    for (unsigned v = 0; v < kVectors; ++v) {
      const Wide operand(next[v]);
      for (unsigned e = 0; e < Wide::kElems; ++e)
        sums[v].elems[e] = Op::combine(sums[v].elems[e], operand.elems[e]);
    }
  }
  Vector16 results[kVectors];
  for (unsigned v = 0; v < kVectors; ++v) {
    if constexpr (std::is_same_v<Op, compute::scalar::Sum>)
      for (unsigned e = 0; e < Wide::kElems; ++e)
        sums[v].elems[e] = compute::scalar::average(sums[v].elems[e], a.divisor);
    results[v] = sums[v].narrow();
  }
  SLUICE_ROLLED
  for (unsigned d = 0; d < a.destination_count; ++d)
    for (unsigned v = 0; v < kVectors; ++v)
      port::store_aligned(static_cast<std::byte*>(a.destinations[d]) + byte + v * stride,
                          results[v]);
}

/// The vectors in bytes [first, end), both multiples of a vector from where the buffers begin to be
/// aligned.
template <class Element, class Op, ThreadGroup Group>
SLUICE_FN void reduce_middle(const Group& group, const ReduceArguments& a, std::size_t first,
                             std::size_t end) {
  constexpr unsigned kElems = WideVector<Element>::kElems;
  // Sums take as many as registers hold, widened. The others are rare, and code is long.
  constexpr unsigned kAtOnce = !std::is_same_v<Op, compute::scalar::Sum> ? 1 : kElems > 8 ? 2 : 4;
  const std::size_t stride = group.size() * sizeof(Vector16);
  std::size_t byte = first + group.rank() * sizeof(Vector16);
  if constexpr (kAtOnce > 1) {
    SLUICE_ROLLED
    for (; byte + (kAtOnce - 1) * stride < end; byte += kAtOnce * stride)
      reduce_vectors<Element, Op, kAtOnce>(a, byte, stride);
  }
  SLUICE_ROLLED
  for (; byte < end; byte += stride) reduce_vectors<Element, Op, 1>(a, byte, stride);
}

/// Which of the low address bits are not the same in all buffers, and which are set in any.
struct Places {
  std::uintptr_t differing = 0;
  std::uintptr_t set = 0;

  SLUICE_FN static Places of(const ReduceArguments& a) {
    const auto first = reinterpret_cast<std::uintptr_t>(a.destinations[0]);
    Places places;
    const auto look = [&](const void* buffer) {
      const auto address = reinterpret_cast<std::uintptr_t>(buffer);
      places.differing |= address ^ first;
      places.set |= address;
    };
    for (unsigned s = 0; s < a.source_count; ++s) look(a.sources[s]);
    for (unsigned d = 0; d < a.destination_count; ++d) look(a.destinations[d]);
    return places;
  }
};

template <class Element, ThreadGroup Group>
SLUICE_FN_APART void reduce(const Group& group, const ReduceArguments& a, ReduceOp op) {
  constexpr std::size_t kElem = sizeof(typename Element::Stored);
  const Places places = Places::of(a);
  if (places.set % kElem != 0) return reduce_elements<Element, false>(group, a, op, 0, a.count);
  if (places.differing % sizeof(Vector16) != 0)
    return reduce_elements<Element, true>(group, a, op, 0, a.count);
  const auto address = reinterpret_cast<std::uintptr_t>(a.destinations[0]);
  const std::size_t gap = (0 - address) % sizeof(Vector16) / kElem;
  const std::size_t before = gap < a.count ? gap : a.count;
  const std::size_t vectors = (a.count - before) * kElem / sizeof(Vector16);
  const std::size_t first = before * kElem, end = first + vectors * sizeof(Vector16);
  reduce_elements<Element, true>(group, a, op, 0, before);
  switch (op) {
    case ReduceOp::kProduct:
      reduce_middle<Element, compute::scalar::Product>(group, a, first, end);
      break;
    case ReduceOp::kMin:
      reduce_middle<Element, compute::scalar::Extreme<false>>(group, a, first, end);
      break;
    case ReduceOp::kMax:
      reduce_middle<Element, compute::scalar::Extreme<true>>(group, a, first, end);
      break;
    default: reduce_middle<Element, compute::scalar::Sum>(group, a, first, end);
  }
  reduce_elements<Element, true>(group, a, op, end / kElem, a.count);
}

/// destination[i] = source[i] * factor, which is in the type that the element is computed in.
template <class Element, ThreadGroup Group>
SLUICE_FN void scale(const Group& group, void* destination, const void* source, std::size_t count,
                     typename Element::Wide factor) {
  using Stored = typename Element::Stored;
  SLUICE_ROLLED
  for (std::size_t i = group.rank(); i < count; i += group.size()) {
    Stored value;
    port::copy_bytes(&value, static_cast<const std::byte*>(source) + i * sizeof(Stored),
                     sizeof(Stored));
    value = Element::narrow(compute::scalar::Product::combine(Element::widen(value), factor));
    port::copy_bytes(static_cast<std::byte*>(destination) + i * sizeof(Stored), &value,
                     sizeof(Stored));
  }
}

/// use(Element{}) for the type.
template <class Use>
SLUICE_FN void with_element(DataType type, Use use) {
  switch (type) {
    case DataType::kInt8: return use(compute::Arithmetic<std::int8_t>{});
    case DataType::kUint8: return use(compute::Arithmetic<std::uint8_t>{});
    case DataType::kInt32: return use(compute::Arithmetic<std::int32_t>{});
    case DataType::kUint32: return use(compute::Arithmetic<std::uint32_t>{});
    case DataType::kInt64: return use(compute::Arithmetic<std::int64_t>{});
    case DataType::kUint64: return use(compute::Arithmetic<std::uint64_t>{});
    case DataType::kFloat16: return use(compute::Float16{});
    case DataType::kFloat32: return use(compute::Float32{});
    case DataType::kFloat64: return use(compute::Float64{});
    case DataType::kBfloat16: return use(compute::Bfloat16{});
    case DataType::kFloat8E4M3: return use(compute::Float8E4M3{});
    case DataType::kFloat8E5M2: return use(compute::Float8E5M2{});
  }
}

}  // namespace sluice::group_reduce
