// What the doubles of the vendors' runtimes share: memory of GPUs, and kernels on host threads.
//
// Device memory cannot be touched by the host at the addresses that programs see: whoever passes
// such a pointer to an MPI library that knows of no GPU ends there, as on a device.
#pragma once

#include <cstddef>
#include <optional>

namespace driver_double {

struct Owner {
  bool is_device = false;  ///< else pinned
  int device = 0;
};

/// False where there is no memory.
bool allocate_device(void** memory, std::size_t bytes, int device);
bool allocate_pinned(void** memory, std::size_t bytes);
/// False for what was not allocated so, or not at this address.
bool free_device(void* memory);
bool free_pinned(void* memory);

/// Nothing for memory that was allocated elsewhere.
std::optional<Owner> owner_of(const void* memory);
/// Where `bytes` at an address can be touched; null if they are not all of one allocation.
std::byte* inside(const void* memory, std::size_t bytes);
/// Between any two kinds of memory, that of the host included.
void copy(void* to, const void* from, std::size_t bytes);

/// A kernel's handle by its name, null for any other name.
void* kernel_named(const char* name);
/// What a kernel does that a GPU runs: the process ends if it touches what is no memory of that
/// GPU, nor pinned.
void run_kernel(void* kernel, void** arguments, int device);

/// Whether the test wants this call to fail: "copy", "launch", "load" or "query".
bool fails(const char* call);

}  // namespace driver_double
