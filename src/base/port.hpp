// The one file that names a compiler. Everything that differs between a host thread, a CUDA kernel
// and a HIP kernel is here: how a function is marked, how a flag is read and written, how a spin
// rests.
//
// Flags are 64-bit words shared with other ranks; system scope, because a peer may be another
// device or host thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__CUDACC__) || defined(__HIPCC__)
#define SLUICE_FN __host__ __device__ inline
#else
#define SLUICE_FN inline
#endif

#if defined(__CUDA_ARCH__)
#define SLUICE_DEVICE_CUDA 1
#elif defined(__HIP_DEVICE_COMPILE__)
#define SLUICE_DEVICE_HIP 1
#else
#define SLUICE_HOST 1
#endif

#if defined(SLUICE_HOST)
#include <atomic>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#endif

namespace sluice::port {

#if defined(SLUICE_HOST)

inline std::uint64_t load_acquire(const std::uint64_t* word) {
  return std::atomic_ref<std::uint64_t>(*const_cast<std::uint64_t*>(word))
      .load(std::memory_order_acquire);
}
inline std::uint64_t load_relaxed(const std::uint64_t* word) {
  return std::atomic_ref<std::uint64_t>(*const_cast<std::uint64_t*>(word))
      .load(std::memory_order_relaxed);
}
inline void store_release(std::uint64_t* word, std::uint64_t value) {
  std::atomic_ref<std::uint64_t>(*word).store(value, std::memory_order_release);
}
inline void store_relaxed(std::uint64_t* word, std::uint64_t value) {
  std::atomic_ref<std::uint64_t>(*word).store(value, std::memory_order_relaxed);
}
inline void add_release(std::uint64_t* word, std::uint64_t value) {
  std::atomic_ref<std::uint64_t>(*word).fetch_add(value, std::memory_order_release);
}
/// Rests the core for a moment inside a spin.
inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

#elif defined(SLUICE_DEVICE_CUDA)

__device__ inline std::uint64_t load_acquire(const std::uint64_t* word) {
  std::uint64_t value;
  asm volatile("ld.acquire.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(word) : "memory");
  return value;
}
__device__ inline std::uint64_t load_relaxed(const std::uint64_t* word) {
  std::uint64_t value;
  asm volatile("ld.relaxed.sys.global.u64 %0, [%1];" : "=l"(value) : "l"(word) : "memory");
  return value;
}
__device__ inline void store_release(std::uint64_t* word, std::uint64_t value) {
  asm volatile("st.release.sys.global.u64 [%0], %1;" ::"l"(word), "l"(value) : "memory");
}
__device__ inline void store_relaxed(std::uint64_t* word, std::uint64_t value) {
  asm volatile("st.relaxed.sys.global.u64 [%0], %1;" ::"l"(word), "l"(value) : "memory");
}
__device__ inline void add_release(std::uint64_t* word, std::uint64_t value) {
  asm volatile("red.release.sys.global.add.u64 [%0], %1;" ::"l"(word), "l"(value) : "memory");
}
__device__ inline void pause() { __nanosleep(32); }

#else  // SLUICE_DEVICE_HIP

__device__ inline std::uint64_t load_acquire(const std::uint64_t* word) {
  return __hip_atomic_load(const_cast<std::uint64_t*>(word), __ATOMIC_ACQUIRE,
                           __HIP_MEMORY_SCOPE_SYSTEM);
}
__device__ inline std::uint64_t load_relaxed(const std::uint64_t* word) {
  return __hip_atomic_load(const_cast<std::uint64_t*>(word), __ATOMIC_RELAXED,
                           __HIP_MEMORY_SCOPE_SYSTEM);
}
__device__ inline void store_release(std::uint64_t* word, std::uint64_t value) {
  __hip_atomic_store(word, value, __ATOMIC_RELEASE, __HIP_MEMORY_SCOPE_SYSTEM);
}
__device__ inline void store_relaxed(std::uint64_t* word, std::uint64_t value) {
  __hip_atomic_store(word, value, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM);
}
__device__ inline void add_release(std::uint64_t* word, std::uint64_t value) {
  __hip_atomic_fetch_add(word, value, __ATOMIC_RELEASE, __HIP_MEMORY_SCOPE_SYSTEM);
}
__device__ inline void pause() { __builtin_amdgcn_s_sleep(1); }

#endif

}  // namespace sluice::port
