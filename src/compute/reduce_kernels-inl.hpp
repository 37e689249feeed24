// The reduction loop. Included once per instruction set (Highway).
//
// One vector of the result at a time: its accumulators stay in registers while the sources are
// added. A range that is no multiple of the vector ends with one more vector that ends where the
// range ends; what it shares with its predecessor is computed twice, from the same inputs to the
// same bits. It is computed before the first store, because a destination may be a source. So there
// are no scalar tails, and no masks.
#if defined(SLUICE_COMPUTE_REDUCE_KERNELS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SLUICE_COMPUTE_REDUCE_KERNELS_INL
#undef SLUICE_COMPUTE_REDUCE_KERNELS_INL
#else
#define SLUICE_COMPUTE_REDUCE_KERNELS_INL
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "compute/families.hpp"
#include "compute/reduce_codecs-inl.hpp"
#include "compute/reduce_operators-inl.hpp"
#include "compute/reduce_scalar.hpp"
#include "compute/targets.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if !SLUICE_COMPUTE_VECTOR_TARGET

template <class Element, class ProductElement = Element>
Kernels kernels(ReduceOp op) {
  return scalar::kernels<Element>(op);
}

#else

inline constexpr std::size_t kVectorBytes = HWY_MAX_BYTES;
inline constexpr std::size_t kLineBytes = 64;
/// Below this a destination is not worth the way around the caches.
inline constexpr std::size_t kMinStreamBytes = 1024;

template <std::size_t N>
using RawVec = hn::Vec<Raw<N>>;

HWY_INLINE const std::uint8_t* source_at(const ReduceArguments& a, unsigned s, std::size_t offset) {
  return static_cast<const std::uint8_t*>(a.sources[s]) + offset;
}
HWY_INLINE std::uint8_t* destination_at(const ReduceArguments& a, unsigned d, std::size_t offset) {
  return static_cast<std::uint8_t*>(a.destinations[d]) + offset;
}

/// Fewer bytes than a 4-byte vector has.
HWY_INLINE RawVec<4> load_few(const std::uint8_t* from, std::size_t bytes) {
  std::uint32_t value = from[0];
  if (bytes >= 2) value |= static_cast<std::uint32_t>(from[1]) << 8;
  if (bytes >= 3) value |= static_cast<std::uint32_t>(from[2]) << 16;
  return hn::BitCast(Raw<4>(), hn::Set(hn::Simd<std::uint32_t, 1, 0>(), value));
}
HWY_INLINE void store_few(RawVec<4> vector, std::uint8_t* to, std::size_t bytes) {
  const std::uint32_t value = hn::GetLane(hn::BitCast(hn::Simd<std::uint32_t, 1, 0>(), vector));
  to[0] = static_cast<std::uint8_t>(value);
  if (bytes >= 2) to[1] = static_cast<std::uint8_t>(value >> 8);
  if (bytes >= 3) to[2] = static_cast<std::uint8_t>(value >> 16);
}

/// The arithmetic of one (type, operator) on raw vectors of N bytes.
template <class Element, class Op, std::size_t N>
struct Step {
  using Code = Codec<Element>;
  using D8 = Raw<N>;
  using D = hn::Repartition<typename Code::Lane, D8>;
  using V8 = hn::Vec<D8>;
  static constexpr std::size_t kParts = Code::kParts;

  hn::Vec<D> wide[kParts];

  HWY_INLINE void first(V8 raw) {
    Code::unpack(D8(), D(), raw, wide);
    for (std::size_t p = 0; p < kParts; ++p) wide[p] = Op::enter(D(), wide[p]);
  }
  HWY_INLINE void next(V8 raw) {
    hn::Vec<D> x[kParts];
    Code::unpack(D8(), D(), raw, x);
    for (std::size_t p = 0; p < kParts; ++p)
      wide[p] = Op::combine(D(), wide[p], Op::enter(D(), x[p]));
  }
  HWY_INLINE V8 finish(std::uint32_t divisor) {
    for (std::size_t p = 0; p < kParts; ++p) {
      if constexpr (std::is_same_v<Op, Sum>) {
        if (HWY_UNLIKELY(divisor > 1)) wide[p] = divide(D(), wide[p], divisor);
      }
      wide[p] = Op::leave(D(), wide[p]);
    }
    return Code::pack(D8(), D(), wide);
  }
};

/// kCount vectors of N bytes at offset, offset + stride, ... kSources 0: as many as the arguments
/// say.
template <class Element, class Op, std::size_t N, std::size_t kCount, unsigned kSources>
HWY_INLINE void reduce_vectors(const ReduceArguments& a, std::size_t offset, std::size_t stride,
                               RawVec<N>* result) {
  Step<Element, Op, N> steps[kCount];
  const unsigned source_count = kSources != 0 ? kSources : a.source_count;
  const std::uint8_t* source = source_at(a, 0, offset);
  for (std::size_t v = 0; v < kCount; ++v) steps[v].first(hn::LoadU(Raw<N>(), source + v * stride));
  for (unsigned s = 1; s < source_count; ++s) {
    source = source_at(a, s, offset);
    for (std::size_t v = 0; v < kCount; ++v)
      steps[v].next(hn::LoadU(Raw<N>(), source + v * stride));
  }
  for (std::size_t v = 0; v < kCount; ++v) result[v] = steps[v].finish(a.divisor);
}

/// N <= bytes <= 2 * N.
template <class Element, class Op, std::size_t N>
HWY_INLINE void reduce_two(const ReduceArguments& a, std::size_t begin, std::size_t bytes) {
  RawVec<N> result[2];
  reduce_vectors<Element, Op, N, 2, 0>(a, begin, bytes - N, result);
  for (unsigned d = 0; d < a.destination_count; ++d) {
    hn::StoreU(result[0], Raw<N>(), destination_at(a, d, begin));
    hn::StoreU(result[1], Raw<N>(), destination_at(a, d, begin + bytes - N));
  }
}

/// 1 to 3 bytes.
template <class Element, class Op>
HWY_INLINE void reduce_few(const ReduceArguments& a, std::size_t begin, std::size_t bytes) {
  Step<Element, Op, 4> step;
  step.first(load_few(source_at(a, 0, begin), bytes));
  for (unsigned s = 1; s < a.source_count; ++s) step.next(load_few(source_at(a, s, begin), bytes));
  const RawVec<4> result = step.finish(a.divisor);
  for (unsigned d = 0; d < a.destination_count; ++d)
    store_few(result, destination_at(a, d, begin), bytes);
}

/// At most two registers full. A function of its own, reached by a jump: it serves the ends of
/// streamed ranges too.
template <class Element, class Op>
HWY_NOINLINE void reduce_short(const ReduceArguments& a, std::size_t begin, std::size_t bytes) {
  constexpr std::size_t kSize = sizeof(typename Element::Stored);
  if constexpr (kVectorBytes >= 64) {
    if (bytes >= 64) return reduce_two<Element, Op, 64>(a, begin, bytes);
  }
  if constexpr (kVectorBytes >= 32) {
    if (bytes >= 32) return reduce_two<Element, Op, 32>(a, begin, bytes);
  }
  if (bytes >= 16) return reduce_two<Element, Op, 16>(a, begin, bytes);
  if (bytes >= 8) return reduce_two<Element, Op, 8>(a, begin, bytes);
  if constexpr (kSize <= 4) {
    if (bytes >= 4) return reduce_two<Element, Op, 4>(a, begin, bytes);
  }
  if constexpr (kSize <= 2) {
    if (bytes > 0) reduce_few<Element, Op>(a, begin, bytes);
  }
}

/// Vectors of four accumulators or so: enough to hide the latency of an addition, few enough for 16
/// registers.
template <class Element>
inline constexpr std::size_t kUnroll = Codec<Element>::kParts == 1   ? 4
                                       : Codec<Element>::kParts == 2 ? 2
                                                                     : 1;

template <std::size_t kCount>
HWY_INLINE void store_vectors(const RawVec<kVectorBytes>* result, std::uint8_t* to) {
  for (std::size_t v = 0; v < kCount; ++v)
    hn::StoreU(result[v], Raw<kVectorBytes>(), to + v * kVectorBytes);
}
template <std::size_t kCount>
HWY_INLINE void stream_vectors(const RawVec<kVectorBytes>* result, std::uint8_t* to) {
  for (std::size_t v = 0; v < kCount; ++v)
    hn::Stream(result[v], Raw<kVectorBytes>(), to + v * kVectorBytes);
}

HWY_INLINE bool streams(const ReduceArguments& a, unsigned d) {
  return d < 32 && ((a.streaming_mask >> d) & 1) != 0;
}

template <class Element, class Op, std::size_t kCount, unsigned kSources, bool kStream>
HWY_INLINE void reduce_block(const ReduceArguments& a, std::size_t offset) {
  RawVec<kVectorBytes> result[kCount];
  reduce_vectors<Element, Op, kVectorBytes, kCount, kSources>(a, offset, kVectorBytes, result);
  const unsigned destination_count = kSources != 0 ? 1 : a.destination_count;
  for (unsigned d = 0; d < destination_count; ++d) {
    std::uint8_t* const to = destination_at(a, d, offset);
    if (kStream && streams(a, d))
      stream_vectors<kCount>(result, to);
    else
      store_vectors<kCount>(result, to);
  }
}

/// At least a vector full. kStream: whole vectors; every destination of the mask aligned at
/// `begin`. kSources other than 0: exactly so many sources, and one destination.
template <class Element, class Op, unsigned kSources, bool kStream>
HWY_NOINLINE void reduce_range(const ReduceArguments& arguments, std::size_t begin,
                               std::size_t bytes) {
  constexpr std::size_t kBlock = kUnroll<Element> * kVectorBytes;
  ReduceArguments a = arguments;  // copies, so that the compiler sees that no store changes them
  const void* sources[kSources + 1];
  void* destination[1] = {a.destinations[0]};
  if constexpr (kSources != 0) {
    for (unsigned s = 0; s < kSources; ++s) sources[s] = a.sources[s];
    a.sources = sources;
    a.destinations = destination;
  }
  const std::size_t end = begin + bytes;
  const std::size_t last = end - kVectorBytes;
  RawVec<kVectorBytes> tail[1];
  if constexpr (!kStream) reduce_vectors<Element, Op, kVectorBytes, 1, kSources>(a, last, 0, tail);
  std::size_t offset = begin;
  for (; offset + kBlock <= end; offset += kBlock)
    reduce_block<Element, Op, kUnroll<Element>, kSources, kStream>(a, offset);
  for (; offset + kVectorBytes <= end; offset += kVectorBytes)
    reduce_block<Element, Op, 1, kSources, kStream>(a, offset);
  if constexpr (!kStream) {
    if (offset == end) return;
    const unsigned destination_count = kSources != 0 ? 1 : a.destination_count;
    for (unsigned d = 0; d < destination_count; ++d)
      store_vectors<1>(tail, destination_at(a, d, last));
  }
}

template <class Element, class Op>
HWY_INLINE void reduce_long(const ReduceArguments& a, std::size_t begin, std::size_t bytes) {
  if (a.source_count == 2 && a.destination_count == 1)
    reduce_range<Element, Op, 2, false>(a, begin, bytes);
  else
    reduce_range<Element, Op, 0, false>(a, begin, bytes);
}

/// Fewer bytes than a line, at the ends of a streamed range.
template <class Element, class Op>
HWY_INLINE void reduce_edge(const ReduceArguments& a, std::size_t begin, std::size_t bytes) {
  if (bytes <= 2 * kVectorBytes)
    reduce_short<Element, Op>(a, begin, bytes);
  else
    reduce_range<Element, Op, 0, false>(a, begin, bytes);
}

/// Streams whole lines. The first destination that wants it decides where the lines begin; others
/// stream only if their lines begin at the same elements.
template <class Element, class Op>
HWY_NOINLINE void reduce_streaming(const ReduceArguments& a, std::size_t bytes) {
  const auto misalignment = [&a](unsigned d) HWY_ATTR {
    return reinterpret_cast<std::uintptr_t>(a.destinations[d]) % kLineBytes;
  };
  unsigned anchor = 0;
  while (anchor < a.destination_count && !streams(a, anchor)) ++anchor;
  if (anchor == a.destination_count) return reduce_long<Element, Op>(a, 0, bytes);
  const std::size_t head = (kLineBytes - misalignment(anchor)) % kLineBytes;
  if (head % sizeof(typename Element::Stored) != 0) return reduce_long<Element, Op>(a, 0, bytes);

  ReduceArguments body = a;
  for (unsigned d = 0; d < a.destination_count && d < 32; ++d)
    if (misalignment(d) != misalignment(anchor)) body.streaming_mask &= ~(1u << d);
  const std::size_t body_bytes = (bytes - head) / kLineBytes * kLineBytes;
  reduce_edge<Element, Op>(a, 0, head);
  reduce_range<Element, Op, 0, true>(body, head, body_bytes);
  reduce_edge<Element, Op>(a, head + body_bytes, bytes - head - body_bytes);
  hwy::FlushStream();
}

template <class Element, class Op>
void reduce(const ReduceArguments& a) noexcept {
  const std::size_t bytes = a.count * sizeof(typename Element::Stored);
  if (bytes <= 2 * kVectorBytes) return reduce_short<Element, Op>(a, 0, bytes);
  if (a.streaming_mask != 0 && bytes >= kMinStreamBytes)
    return reduce_streaming<Element, Op>(a, bytes);
  reduce_long<Element, Op>(a, 0, bytes);
}

/// The last elements of a scale() go through a zeroed vector on the stack.
template <class Element>
void scale(const ScaleArguments& a) noexcept {
  using Code = Codec<Element>;
  using Lane = typename Code::Lane;
  const Raw<kVectorBytes> d8;
  const hn::Repartition<Lane, Raw<kVectorBytes>> d;
  Lane factor;
  if constexpr (hwy::IsFloat<Lane>())
    factor = static_cast<Lane>(a.factor);
  else
    factor = static_cast<Lane>(a.integer_factor);
  const auto* source = static_cast<const std::uint8_t*>(a.source);
  auto* destination = static_cast<std::uint8_t*>(a.destination);

  hn::Vec<decltype(d)> wide[Code::kParts];
  const auto scaled = [&](const std::uint8_t* from) HWY_ATTR {
    Code::unpack(d8, d, hn::LoadU(d8, from), wide);
    for (std::size_t p = 0; p < Code::kParts; ++p)
      wide[p] = Product::combine(d, wide[p], hn::Set(d, factor));
    return Code::pack(d8, d, wide);
  };
  std::size_t left = a.count * sizeof(typename Element::Stored);
  for (; left >= kVectorBytes; left -= kVectorBytes) {
    hn::StoreU(scaled(source), d8, destination);
    source += kVectorBytes;
    destination += kVectorBytes;
  }
  if (left == 0) return;
  HWY_ALIGN std::uint8_t edge[kVectorBytes] = {};
  std::memcpy(edge, source, left);
  hn::StoreU(scaled(edge), d8, edge);
  std::memcpy(destination, edge, left);
}

/// ProductElement: the unsigned type of a signed one, whose products have the same bits.
template <class Element, class ProductElement = Element>
Kernels kernels(ReduceOp op) {
  switch (op) {
    case ReduceOp::kProduct: return {reduce<ProductElement, Product>, scale<ProductElement>};
    case ReduceOp::kMin: return {reduce<Element, Min>, scale<ProductElement>};
    case ReduceOp::kMax: return {reduce<Element, Max>, scale<ProductElement>};
    default: return {reduce<Element, Sum>, scale<ProductElement>};
  }
}

#endif  // SLUICE_COMPUTE_VECTOR_TARGET

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#endif  // SLUICE_COMPUTE_REDUCE_KERNELS_INL
