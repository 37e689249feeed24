#include "bindings/mpi/pool.hpp"

#include <atomic>
#include <bit>
#include <cstdlib>
#include <utility>

#include "bindings/mpi/policy.hpp"

namespace sluice::mpi::pool {
namespace {

constexpr std::size_t kAlignment = 64;
/// Sizes are powers of two, the smallest of them 2^kSmallest.
constexpr unsigned kSmallest = 8;
constexpr unsigned kSizes = 48 - kSmallest;
/// Up to this size, and this many bytes in all, a thread keeps what it has released.
constexpr unsigned kLargestKept = 25;
constexpr std::uint64_t kMostKept = std::uint64_t{1} << kLargestKept;

/// In front of the memory that is handed out.
struct alignas(kAlignment) Chunk {
  Chunk* next;
  unsigned size;  ///< the logarithm of the bytes, without this header
};

struct Kept {
  Chunk* free[kSizes];
  std::uint64_t bytes;
  bool ended;  ///< the thread is about to: keep nothing more
};
constinit thread_local Kept kept{};

std::atomic<std::int64_t> in_use{0};

/// Frees what a thread keeps when it ends. Touched when the thread first keeps something.
struct AtThreadEnd {
  bool armed = false;
  ~AtThreadEnd() {
    kept.ended = true;
    for (Chunk*& first : kept.free)
      while (first != nullptr) std::free(std::exchange(first, first->next));
  }
};
thread_local AtThreadEnd at_thread_end;

}  // namespace

std::byte* acquire(std::int64_t bytes, bool must) {
  if (bytes < 0 || bytes > (std::int64_t{1} << 40)) return nullptr;
  const auto wanted = static_cast<std::uint64_t>(bytes > 0 ? bytes - 1 : 0) >> kSmallest;
  const unsigned size = kSmallest + static_cast<unsigned>(std::bit_width(wanted));
  const std::int64_t whole = std::int64_t{1} << size;
  Chunk*& first = kept.free[size - kSmallest];
  if (in_use.fetch_add(whole, std::memory_order_relaxed) + whole > policy::buffer_limit_bytes() &&
      !must) {
    in_use.fetch_sub(whole, std::memory_order_relaxed);
    return nullptr;
  }
  Chunk* chunk = first;
  if (chunk != nullptr) {
    first = chunk->next;
    kept.bytes -= static_cast<std::uint64_t>(whole);
  } else {
    chunk = static_cast<Chunk*>(
        std::aligned_alloc(kAlignment, sizeof(Chunk) + static_cast<std::size_t>(whole)));
    if (chunk == nullptr) {
      in_use.fetch_sub(whole, std::memory_order_relaxed);
      return nullptr;
    }
    chunk->size = size;
  }
  return reinterpret_cast<std::byte*>(chunk + 1);
}

void release(std::byte* memory) {
  Chunk* const chunk = reinterpret_cast<Chunk*>(memory) - 1;
  const std::uint64_t whole = std::uint64_t{1} << chunk->size;
  in_use.fetch_sub(static_cast<std::int64_t>(whole), std::memory_order_relaxed);
  if (kept.ended || chunk->size > kLargestKept || kept.bytes + whole > kMostKept) {
    std::free(chunk);
    return;
  }
  at_thread_end.armed = true;
  Chunk*& first = kept.free[chunk->size - kSmallest];
  chunk->next = first;
  first = chunk;
  kept.bytes += whole;
}

}  // namespace sluice::mpi::pool
