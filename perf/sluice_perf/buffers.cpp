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

Result<Buffers::Owned> Buffers::allocate(std::size_t bytes, Memory kind) {
  constexpr std::size_t kPageBytes = 4096;
  const std::size_t whole_pages = (bytes + kGuardBytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  if (kind != Memory::kOrdinary) {
    const MemoryKind where = kind == Memory::kCuda ? MemoryKind::kDevice : MemoryKind::kHost;
    SLUICE_TRY_ASSIGN(void* memory, sluice::alloc(whole_pages, where));
    return Owned(static_cast<std::byte*>(memory), Release{true});
  }
  void* memory = std::aligned_alloc(kPageBytes, whole_pages);
  if (memory == nullptr)
    return fail(Errc::kSystemError, "no memory",
                fmt::format("no memory for a buffer of {} bytes", whole_pages));
  return Owned(static_cast<std::byte*>(memory), Release{false});
}

Result<Buffers> Buffers::create(std::size_t bytes, Memory memory) {
  const Memory on_host = memory == Memory::kCuda ? Memory::kOrdinary : memory;
  SLUICE_TRY_ASSIGN(Owned input, allocate(bytes, on_host));
  SLUICE_TRY_ASSIGN(Owned output, allocate(bytes, on_host));
  Buffers buffers(std::move(input), std::move(output));
  if (memory == Memory::kCuda) {
    SLUICE_TRY_ASSIGN(buffers.device_input_, allocate(bytes, memory));
    SLUICE_TRY_ASSIGN(buffers.device_output_, allocate(bytes, memory));
  }
  return buffers;
}

}  // namespace sluice::perf
