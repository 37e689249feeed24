#include "sluice_perf/buffers.hpp"

#include <cstdlib>
#include <utility>

#include "base/error.hpp"
#include "sluice/memory.hpp"

namespace sluice::perf {

void Buffers::Release::operator()(std::byte* pointer) const {
  if (registered)
    static_cast<void>(sluice::free(pointer));
  else
    std::free(pointer);
}

Result<Buffers::Memory> Buffers::allocate(std::size_t bytes, bool registered) {
  constexpr std::size_t kPageBytes = 4096;
  const std::size_t whole_pages = (bytes + kGuardBytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  if (registered) {
    SLUICE_TRY_ASSIGN(void* memory, sluice::alloc(whole_pages));
    return Memory(static_cast<std::byte*>(memory), Release{true});
  }
  void* memory = std::aligned_alloc(kPageBytes, whole_pages);
  if (memory == nullptr)
    return fail(Errc::kSystemError, "no memory",
                fmt::format("no memory for a buffer of {} bytes", whole_pages));
  return Memory(static_cast<std::byte*>(memory), Release{false});
}

Result<Buffers> Buffers::create(std::size_t bytes, bool registered) {
  SLUICE_TRY_ASSIGN(Memory input, allocate(bytes, registered));
  SLUICE_TRY_ASSIGN(Memory output, allocate(bytes, registered));
  return Buffers(std::move(input), std::move(output));
}

}  // namespace sluice::perf
