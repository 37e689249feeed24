// Memory of GPUs: whose a pointer is, and moving elements that lie there. docs/mpi.md, "GPU
// memory".
#pragma once

#include <cstddef>
#include <cstdint>

#include "bindings/mpi/gpu_driver.hpp"
#include "datatype/layout.hpp"

namespace sluice::mpi::device {

/// Whether any pointer may be a GPU's: false where no GPU's runtime is in the process.
inline bool possible() { return gpu::may_be_loaded(); }

enum class Where : std::uint8_t {
  kHost,
  kDevice,
  kUnknown,  ///< of a GPU, perhaps; neither host nor kernels are to touch it
};

struct Place {
  Where where = Where::kHost;
  // kDevice: whose memory it is.
  const gpu::Driver* driver = nullptr;
  gpu::Context context = nullptr;
};
Place place_of(const void* pointer);

/// Memory that kernels of a context reach, and kept for the next who asks: pinned memory of the
/// host, or the device's.
enum class Kind : std::uint8_t { kPinned, kDevice };
struct Memory;
/// Null where there is none: what is in use is bounded as that of the host is. `must`: also beyond
/// that bound.
Memory* acquire(Kind kind, const Place& place, std::int64_t bytes, bool must);
void release(Memory* memory);
std::byte* bytes_of(const Memory* memory);

/// Whether the build has kernels that run on the GPU of `place`: without, elements with gaps are
/// not moved. A failure to load them is told stderr once.
bool has_kernels(const Place& place);

// Moving between elements at `user`, in device memory, and their packed form, which kernels of the
// same context reach. All return when it is done, and false after a failure, of which stderr has
// been told; nobody else may use the memory meanwhile. The layout lives as long.

bool pack(const Place& place, const datatype::LayoutPtr& layout, const void* user,
          std::int64_t count, std::byte* packed);
/// The first `bytes` of the packed form.
bool unpack(const Place& place, const datatype::LayoutPtr& layout, const std::byte* packed,
            std::int64_t bytes, std::int64_t count, void* user);
/// Between any two kinds of memory, with the context of `place`, which is that of any device
/// memory.
bool copy(const Place& place, void* to, const void* from, std::int64_t bytes);

}  // namespace sluice::mpi::device
