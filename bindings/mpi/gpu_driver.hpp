// The runtimes of GPUs that the program has loaded: the calls that we make of them. Facts of their
// binary interfaces, not their headers. The program's own, and no runtime of ours beside them: so a
// program without a GPU gets nothing loaded, and one with a GPU keeps its contexts.
#pragma once

#include <link.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::mpi::gpu {

/// Of CUDA; with HIP a device. Never null, and no two vendors' are the same.
using Context = void*;
using Stream = void*;
using Kernel = void*;
using Error = int;  ///< 0: none

/// What the runtime says of a pointer.
struct Owner {
  bool is_device = false;     ///< false: memory that the host can touch as well, or unknown to it
  Context context = nullptr;  ///< of device memory; null if the runtime does not say
};

/// What was the calling thread's, to be given back.
struct Before {
  int device = 0;
  int capture_mode = 0;
};

struct Kernels {
  Kernel pack = nullptr, unpack = nullptr;
};

enum class Vendor : std::uint8_t { kCuda, kHip };

/// One vendor's. Thread-safe; lives as long as the process.
class Driver {
 public:
  virtual Vendor vendor() const = 0;
  /// The runtime's words.
  virtual const char* text_of(Error error) const = 0;
  /// Whether the build has kernels for it.
  virtual bool has_kernels() const = 0;

  virtual Owner owner_of(const void* pointer) const = 0;
  /// Until leave() the context is the calling thread's, and captures of streams forbid nothing.
  virtual Error enter(Context context, Before& before) const = 0;
  virtual void leave(const Before& before) const = 0;

  // In the context entered.
  virtual Error multiprocessors(int& number) const = 0;
  virtual Error allocate(void*& memory, std::size_t bytes) const = 0;
  virtual Error free(void* memory) const = 0;
  /// Memory of the host that kernels of all of the vendor's contexts reach.
  virtual Error allocate_pinned(void*& memory, std::size_t bytes) const = 0;
  virtual Error free_pinned(void* memory) const = 0;
  /// One that does not wait for the default stream.
  virtual Error make_stream(Stream& stream) const = 0;
  virtual Error wait(Stream stream) const = 0;
  /// Between any two kinds of memory.
  virtual Error copy(void* to, const void* from, std::size_t bytes, Stream stream) const = 0;
  virtual Error load(Kernels& kernels) const = 0;
  virtual Error launch(Kernel kernel, unsigned blocks, unsigned threads, Stream stream,
                       void** arguments) const = 0;

 protected:
  ~Driver() = default;
};

/// What is loaded now; a runtime that was seen once is kept loaded.
struct Loaded {
  std::array<const Driver*, 2> drivers{};  ///< null behind the last
  /// One is loaded that we cannot ask about pointers: nothing is known of any.
  bool has_unknown = false;
};
Loaded loaded();

namespace detail {
/// The objects of a process are a list that grows at its end, so one look at the last element seen
/// says whether there are new ones. That element is kept loaded. Where a GPU's runtime is among
/// those seen, and before the first look, an element that has one behind it for ever.
extern constinit std::atomic<const link_map*> last_without_gpu;
}  // namespace detail

/// Whether a GPU's memory may be in this process: false costs two loads.
inline bool may_be_loaded() {
  const link_map* const last = detail::last_without_gpu.load(std::memory_order_acquire);
  return __atomic_load_n(&last->l_next, __ATOMIC_RELAXED) != nullptr;
}

}  // namespace sluice::mpi::gpu
