// Copies, through the caches and past them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compute/copy.cpp"
#include "compute/targets.hpp"

// Must follow targets.hpp.
#include <hwy/foreach_target.h>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "compute/reduce.hpp"

HWY_BEFORE_NAMESPACE();
namespace sluice::compute {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if SLUICE_COMPUTE_VECTOR_TARGET

inline constexpr std::size_t kCopyBlock = 256;
using CopyTag = hn::ScalableTag<std::uint8_t>;

/// Whole blocks; `to` is aligned to a line.
HWY_INLINE void stream_blocks(std::uint8_t* HWY_RESTRICT to, const std::uint8_t* HWY_RESTRICT from,
                              std::size_t bytes) {
  const CopyTag d;
  constexpr std::size_t kVectors = kCopyBlock / hn::MaxLanes(CopyTag());
  for (std::size_t i = 0; i < bytes; i += kCopyBlock) {
    hn::Vec<CopyTag> v[kVectors];
    for (std::size_t k = 0; k < kVectors; ++k) v[k] = hn::LoadU(d, from + i + k * hn::MaxLanes(d));
    for (std::size_t k = 0; k < kVectors; ++k) hn::Stream(v[k], d, to + i + k * hn::MaxLanes(d));
  }
}

void stream(std::uint8_t* to, const std::uint8_t* from, std::size_t bytes) {
  const std::size_t head = (0 - reinterpret_cast<std::uintptr_t>(to)) % 64;
  if (bytes < head + kCopyBlock) {
    std::memcpy(to, from, bytes);
    return;
  }
  std::memcpy(to, from, head);
  const std::size_t body = (bytes - head) / kCopyBlock * kCopyBlock;
  stream_blocks(to + head, from + head, body);
  std::memcpy(to + head + body, from + head + body, bytes - head - body);
  hwy::FlushStream();
}

#else

void stream(std::uint8_t* to, const std::uint8_t* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace sluice::compute
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sluice::compute {

HWY_EXPORT(stream);

// glibc's memcpy: measured against a loop of AVX-512 vectors (Zen 4, perf/micro/compute_bench.cpp)
// it is three times as fast at 64 bytes, and the same within 10 % or better from 1 KiB to 4 MiB, at
// any alignment.
void copy(void* destination, const void* source, std::size_t bytes) noexcept {
  if (bytes != 0) std::memcpy(destination, source, bytes);
}

void copy_streaming(void* destination, const void* source, std::size_t bytes) noexcept {
  if (bytes == 0) return;
  auto* const to = static_cast<std::uint8_t*>(destination);
  HWY_DYNAMIC_DISPATCH(stream)(to, static_cast<const std::uint8_t*>(source), bytes);
}

}  // namespace sluice::compute
#endif
