// The one file that names a compiler. Everything that differs between a host thread, a CUDA kernel
// and a HIP kernel is here: how functions are marked, flags read and written, how a spin rests.
//
// Flags are 64-bit words; system scope, because a peer may be another device or host thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__HIPCC__)
#include <hip/hip_runtime.h>  // nvcc includes CUDA's by itself
#endif

#if defined(__CUDACC__) || defined(__HIPCC__)
#define SLUICE_ANYWHERE __host__ __device__
#define SLUICE_FN SLUICE_ANYWHERE inline
// Compiled once and called, where inlining would multiply a kernel's code.
#define SLUICE_FN_APART SLUICE_FN __noinline__
// Before a loop whose body is long enough as it is.
#define SLUICE_ROLLED _Pragma("unroll 1")
#else
#define SLUICE_ANYWHERE
#define SLUICE_FN inline
#define SLUICE_FN_APART inline
#define SLUICE_ROLLED
#endif

// A kernel's argument that is read where it was passed, not copied.
#if defined(__CUDACC__)
#define SLUICE_KERNEL_CONSTANT __grid_constant__
#else
#define SLUICE_KERNEL_CONSTANT
#endif

#if defined(__CUDA_ARCH__)
#define SLUICE_DEVICE_CUDA 1
#elif defined(__HIP_DEVICE_COMPILE__)
#define SLUICE_DEVICE_HIP 1
#else
#define SLUICE_HOST 1
#endif

#if defined(SLUICE_HOST)
#include <time.h>

#include <atomic>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#endif

namespace sluice::port {

// Whether bytes that nobody asked for may be read where they cannot fault: between two blocks that
// lie on the same pages, say. A sanitizer would report it.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kReadsBetweenBlocks = false;
#else
inline constexpr bool kReadsBetweenBlocks = true;
#endif
/// memcpy in any code. HIP's own for kernels copies byte by byte, and is not std's.
SLUICE_FN void copy_bytes(void* to, const void* from, std::size_t bytes) {
#if defined(__HIPCC__)
  __builtin_memcpy(to, from, bytes);
#else
  std::memcpy(to, from, bytes);
#endif
}

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
/// Returns what was there before.
inline std::uint64_t fetch_add(std::uint64_t* word, std::uint64_t value) {
  return std::atomic_ref<std::uint64_t>(*word).fetch_add(value, std::memory_order_relaxed);
}
/// Two words side by side, aligned to 16 bytes. Each arrives whole; the two need not arrive
/// together.
inline void store_pair_relaxed(std::uint64_t* words, std::uint64_t first, std::uint64_t second) {
  store_relaxed(words, first);
  store_relaxed(words + 1, second);
}
inline void load_pair_relaxed(const std::uint64_t* words, std::uint64_t& first,
                              std::uint64_t& second) {
  first = load_relaxed(words);
  second = load_relaxed(words + 1);
}
/// Sets the word to 1; whether it was not set before.
inline bool claim(std::uint64_t* word) {
  return std::atomic_ref<std::uint64_t>(*word).exchange(1, std::memory_order_relaxed) == 0;
}
/// A clock that only goes forward, in nanoseconds.
inline std::uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}
#if defined(__x86_64__)
/// Rests the core for a moment inside a spin.
inline void pause() { _mm_pause(); }
/// Whether many loads at a time from one set of the first-level cache take longer than a few with
/// await_loads() behind them. Measured on AMD's Zen 4, the first with AVX-512: 1.5 to 2 times.
inline bool prefers_few_loads_of_a_set() {
  return __builtin_cpu_is("amd") && __builtin_cpu_supports("avx512f");
}
inline void await_loads() { _mm_lfence(); }
#else
inline void pause() {
#if defined(__aarch64__)
  asm volatile("yield");
#endif
}
inline bool prefers_few_loads_of_a_set() { return false; }
inline void await_loads() {}
#endif

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
__device__ inline std::uint64_t fetch_add(std::uint64_t* word, std::uint64_t value) {
  std::uint64_t before;
  asm volatile("atom.relaxed.sys.global.add.u64 %0, [%1], %2;"
               : "=l"(before)
               : "l"(word), "l"(value)
               : "memory");
  return before;
}
__device__ inline void store_pair_relaxed(std::uint64_t* words, std::uint64_t first,
                                          std::uint64_t second) {
  asm volatile("st.relaxed.sys.global.v2.u64 [%0], {%1, %2};" ::"l"(words), "l"(first), "l"(second)
               : "memory");
}
__device__ inline void load_pair_relaxed(const std::uint64_t* words, std::uint64_t& first,
                                         std::uint64_t& second) {
  asm volatile("ld.relaxed.sys.global.v2.u64 {%0, %1}, [%2];"
               : "=l"(first), "=l"(second)
               : "l"(words)
               : "memory");
}
__device__ inline bool claim(std::uint64_t* word) {
  std::uint64_t before;
  asm volatile("atom.relaxed.sys.global.exch.b64 %0, [%1], %2;"
               : "=l"(before)
               : "l"(word), "l"(std::uint64_t{1})
               : "memory");
  return before == 0;
}
__device__ inline std::uint64_t now_ns() {
  std::uint64_t now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  return now;
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
__device__ inline std::uint64_t fetch_add(std::uint64_t* word, std::uint64_t value) {
  return __hip_atomic_fetch_add(word, value, __ATOMIC_RELAXED, __HIP_MEMORY_SCOPE_SYSTEM);
}
__device__ inline void store_pair_relaxed(std::uint64_t* words, std::uint64_t first,
                                          std::uint64_t second) {
  store_relaxed(words, first);
  store_relaxed(words + 1, second);
}
__device__ inline void load_pair_relaxed(const std::uint64_t* words, std::uint64_t& first,
                                         std::uint64_t& second) {
  first = load_relaxed(words);
  second = load_relaxed(words + 1);
}
__device__ inline bool claim(std::uint64_t* word) {
  return __hip_atomic_exchange(word, std::uint64_t{1}, __ATOMIC_RELAXED,
                               __HIP_MEMORY_SCOPE_SYSTEM) == 0;
}
__device__ inline std::uint64_t now_ns() {
  return __builtin_amdgcn_s_memrealtime() * 10;  // a counter of 100 MHz
}
__device__ inline void pause() { __builtin_amdgcn_s_sleep(1); }

#endif

// ---- the block of a kernel ----

#if defined(SLUICE_HOST)

inline unsigned block_rank() { return 0; }
inline unsigned block_size() { return 1; }
inline void block_sync() {}
inline bool block_any(bool yes) { return yes; }

#else

__device__ inline unsigned block_rank() { return threadIdx.x; }
__device__ inline unsigned block_size() { return blockDim.x; }
__device__ inline void block_sync() { __syncthreads(); }
__device__ inline bool block_any(bool yes) { return __syncthreads_or(yes) != 0; }

#endif

// ---- vectors and conversions ----

/// What a kernel loads and stores at once at the most.
struct alignas(16) Vector16 {
  std::uint64_t half[2];
};

#if defined(SLUICE_HOST)

/// A `T` at an address that is aligned for it, whatever was stored there as.
template <class T>
T load_aligned(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}
template <class T>
void store_aligned(void* to, const T& value) {
  std::memcpy(to, &value, sizeof(T));
}

#else

template <class T>
__device__ inline T load_aligned(const void* from) {
  return *static_cast<const T*>(from);
}
template <class T>
__device__ inline void store_aligned(void* to, const T& value) {
  *static_cast<T*>(to) = value;
}

#endif

// ---- memory behind a switch that adds and multiplies ----

/// Addresses below are those of a multicast object, aligned to 16 bytes. The adds return the sum of
/// what all its members hold there, computed in fp32 and rounded once, in an order that the switch
/// chooses; the store reaches all members. Relaxed, system scope.
#if defined(SLUICE_DEVICE_CUDA) && __CUDA_ARCH__ >= 900

inline constexpr bool kHasMultimem = true;
#define SLUICE_MULTIMEM_ADD(name, kind)                                                      \
  __device__ inline Vector16 name(const void* from) {                                        \
    std::uint32_t word[4];                                                                   \
    asm volatile("multimem.ld_reduce.relaxed.sys.global.add" kind " {%0, %1, %2, %3}, [%4];" \
                 : "=r"(word[0]), "=r"(word[1]), "=r"(word[2]), "=r"(word[3])                \
                 : "l"(from)                                                                 \
                 : "memory");                                                                \
    Vector16 sum;                                                                            \
    copy_bytes(&sum, word, sizeof sum);                                                      \
    return sum;                                                                              \
  }
SLUICE_MULTIMEM_ADD(multimem_add_float32, ".v4.f32")
SLUICE_MULTIMEM_ADD(multimem_add_float16, ".acc::f32.v4.f16x2")
SLUICE_MULTIMEM_ADD(multimem_add_bfloat16, ".acc::f32.v4.bf16x2")
#undef SLUICE_MULTIMEM_ADD
__device__ inline void multimem_store(void* to, const Vector16& value) {
  std::uint32_t word[4];
  copy_bytes(word, &value, sizeof word);
  asm volatile("multimem.st.relaxed.sys.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to),
               "r"(word[0]), "r"(word[1]), "r"(word[2]), "r"(word[3])
               : "memory");
}

#else

inline constexpr bool kHasMultimem = false;
SLUICE_ANYWHERE Vector16 multimem_add_float32(const void* from);
SLUICE_ANYWHERE Vector16 multimem_add_float16(const void* from);
SLUICE_ANYWHERE Vector16 multimem_add_bfloat16(const void* from);
SLUICE_ANYWHERE void multimem_store(void* to, const Vector16& value);

#endif

/// Whether the functions below are instructions. Their results are those of
/// compute/small_float.hpp but for NaN, which is narrowed to any NaN.
#if defined(SLUICE_DEVICE_CUDA)

inline constexpr bool kConvertsFloat16 = true;
__device__ inline float widen_float16(std::uint16_t code) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(code));
  return value;
}
__device__ inline std::uint16_t narrow_float16(float value) {
  std::uint16_t code;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(code) : "f"(value));
  return code;
}

#elif defined(SLUICE_DEVICE_HIP)

inline constexpr bool kConvertsFloat16 = true;
__device__ inline float widen_float16(std::uint16_t code) {
  return static_cast<float>(__builtin_bit_cast(_Float16, code));
}
__device__ inline std::uint16_t narrow_float16(float value) {
  return __builtin_bit_cast(std::uint16_t, static_cast<_Float16>(value));
}

#else

inline constexpr bool kConvertsFloat16 = false;
SLUICE_ANYWHERE float widen_float16(std::uint16_t code);
SLUICE_ANYWHERE std::uint16_t narrow_float16(float value);

#endif

#if defined(SLUICE_DEVICE_CUDA)

inline constexpr bool kConvertsBfloat16 = true;
__device__ inline std::uint16_t narrow_bfloat16(float value) {
  std::uint16_t code;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(code) : "f"(value));
  return code;
}

#else

inline constexpr bool kConvertsBfloat16 = false;
SLUICE_ANYWHERE std::uint16_t narrow_bfloat16(float value);

#endif

#if defined(SLUICE_DEVICE_CUDA) && __CUDA_ARCH__ >= 890

inline constexpr bool kConvertsFloat8 = true;
/// Two at once is what there is; the second value becomes the low byte.
__device__ inline std::uint8_t narrow_float8_e4m3(float value) {
  std::uint16_t codes;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(codes) : "f"(0.0f), "f"(value));
  return static_cast<std::uint8_t>(codes);
}
__device__ inline std::uint8_t narrow_float8_e5m2(float value) {
  std::uint16_t codes;
  asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(codes) : "f"(0.0f), "f"(value));
  return static_cast<std::uint8_t>(codes);
}

#else

inline constexpr bool kConvertsFloat8 = false;
SLUICE_ANYWHERE std::uint8_t narrow_float8_e4m3(float value);
SLUICE_ANYWHERE std::uint8_t narrow_float8_e5m2(float value);

#endif

}  // namespace sluice::port
