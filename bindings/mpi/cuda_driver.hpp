// CUDA's driver, where the program has loaded it: the calls that we make of it. Facts of its binary
// interface, not its header. The program's own, and no runtime library of ours beside it: so a
// program without a GPU gets nothing loaded, and one with a GPU keeps its contexts.
#pragma once

#include <link.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::mpi::cuda {

using Pointer = std::uint64_t;  ///< of a device, as the driver takes it
using Context = void*;
using Stream = void*;
using Module = void*;
using Function = void*;
using Error = int;  ///< 0: none

/// What the driver is asked about a pointer, and what it says.
inline constexpr int kContextOfPointer = 1, kMemoryType = 2, kOrdinalOfPointer = 9;
inline constexpr unsigned kDeviceMemory = 2;
inline constexpr int kMultiprocessors = 16;  ///< a device's attribute
inline constexpr unsigned kNotWithDefaultStream = 1;
inline constexpr unsigned kForAllContexts = 1;
inline constexpr int kRelaxedCapture = 2;

struct Driver {
  Error (*PointerGetAttribute)(void* data, int attribute, Pointer pointer);
  Error (*GetErrorString)(Error error, const char** text);
  Error (*CtxPushCurrent)(Context context);
  Error (*CtxPopCurrent)(Context* context);
  Error (*CtxGetDevice)(int* device);
  Error (*DevicePrimaryCtxRetain)(Context* context, int device);
  Error (*DeviceGetAttribute)(int* value, int attribute, int device);
  Error (*MemAlloc)(Pointer* memory, std::size_t bytes);
  Error (*MemFree)(Pointer memory);
  Error (*MemHostAlloc)(void** memory, std::size_t bytes, unsigned flags);
  Error (*MemFreeHost)(void* memory);
  Error (*MemcpyAsync)(Pointer to, Pointer from, std::size_t bytes, Stream stream);
  Error (*StreamCreate)(Stream* stream, unsigned flags);
  Error (*StreamSynchronize)(Stream stream);
  Error (*ThreadExchangeStreamCaptureMode)(int* mode);
  Error (*ModuleLoadData)(Module* module, const void* image);
  Error (*ModuleGetFunction)(Function* function, Module module, const char* name);
  Error (*LaunchKernel)(Function function, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z,
                        unsigned threads_x, unsigned threads_y, unsigned threads_z,
                        unsigned shared_bytes, Stream stream, void** arguments, void** extra);
};

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

/// Null where the program has not loaded it, or one without all of the calls.
const Driver* driver();
/// Whether another vendor's runtime is loaded, which we cannot ask about pointers.
bool other_vendor();

/// The driver's words.
const char* text_of(Error error);

}  // namespace sluice::mpi::cuda
