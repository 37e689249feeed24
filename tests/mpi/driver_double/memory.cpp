#include "driver_double/memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "datatype/gpu/kernels.hpp"
#include "datatype/gpu/move.hpp"

namespace driver_double {
namespace {

using sluice::datatype::gpu::Plan;

struct Allocation {
  std::size_t bytes = 0;
  std::byte* inside = nullptr;  ///< where it can be touched: another mapping of the same pages
  Owner owner;
};

/// By first address. Never destroyed.
std::map<std::uintptr_t, Allocation>& allocations() {
  static auto* const all = new std::map<std::uintptr_t, Allocation>;
  return *all;
}
std::mutex mutex;
int kernels[2];  ///< what packs, and what unpacks

std::uintptr_t address_of(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

struct Found {
  std::byte* inside = nullptr;  ///< of an address; null if the bytes are not all of one allocation
  std::optional<Owner> owner;   ///< nothing where the address is of none
};

Found find(const void* memory, std::size_t bytes) {
  const std::lock_guard lock(mutex);
  auto after = allocations().upper_bound(address_of(memory));
  if (after == allocations().begin()) return {};
  --after;
  const Allocation& allocation = after->second;
  const std::size_t before = address_of(memory) - after->first;
  if (before >= allocation.bytes) return {};
  return {before + bytes <= allocation.bytes ? allocation.inside + before : nullptr,
          allocation.owner};
}

/// Device memory of that GPU, or pinned memory: anything else its kernels cannot reach.
std::byte* reached(const std::byte* address, std::size_t bytes, int device) {
  const Found found = find(address, bytes);
  if (found.inside == nullptr || (found.owner->is_device && found.owner->device != device)) {
    std::fprintf(stderr, "driver double: a kernel of GPU %d at %p, which is no memory of it\n",
                 device, static_cast<const void*>(address));
    std::abort();
  }
  return found.inside;
}

/// The kernel, one word after the other, each of them looked up.
void run(bool packs, Plan plan, std::byte* user, std::byte* packed, int device) {
  const auto table = [&]<class Entry>(const Entry* entries) {
    return reinterpret_cast<const Entry*>(
        reached(reinterpret_cast<const std::byte*>(entries), sizeof(Entry), device));
  };
  if (plan.offsets != nullptr) plan.offsets = table(plan.offsets);
  if (plan.blocks == sluice::datatype::gpu::Blocks::kFields)
    plan.packed_before = table(plan.packed_before);
  for (std::uint64_t word = 0; word < plan.words; ++word) {
    std::byte* const there =
        reached(user + sluice::datatype::gpu::place_of_word(plan, word), plan.word, device);
    std::byte* const here = reached(packed + word * plan.word, plan.word, device);
    std::memcpy(packs ? here : there, packs ? there : here, plan.word);
  }
}

}  // namespace

bool allocate_device(void** memory, std::size_t bytes, int device) {
  const int file = ::memfd_create("driver-double", MFD_CLOEXEC);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(bytes)) != 0) return false;
  void* const seen = ::mmap(nullptr, bytes, PROT_NONE, MAP_SHARED, file, 0);
  void* const touched = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (seen == MAP_FAILED || touched == MAP_FAILED) return false;
  *memory = seen;
  const std::lock_guard lock(mutex);
  allocations()[address_of(seen)] = {bytes, static_cast<std::byte*>(touched), {true, device}};
  return true;
}

bool allocate_pinned(void** memory, std::size_t bytes) {
  auto* const base = static_cast<std::byte*>(std::malloc(bytes));
  if (base == nullptr) return false;
  *memory = base;
  const std::lock_guard lock(mutex);
  allocations()[address_of(base)] = {bytes, base, {}};
  return true;
}

bool free_device(void* memory) {
  const std::lock_guard lock(mutex);
  const auto found = allocations().find(address_of(memory));
  if (found == allocations().end() || !found->second.owner.is_device) return false;
  ::munmap(found->second.inside, found->second.bytes);
  ::munmap(memory, found->second.bytes);
  allocations().erase(found);
  return true;
}

bool free_pinned(void* memory) {
  const std::lock_guard lock(mutex);
  const auto found = allocations().find(address_of(memory));
  if (found == allocations().end() || found->second.owner.is_device) return false;
  allocations().erase(found);
  std::free(memory);
  return true;
}

std::optional<Owner> owner_of(const void* memory) { return find(memory, 1).owner; }

std::byte* inside(const void* memory, std::size_t bytes) { return find(memory, bytes).inside; }

void copy(void* to, const void* from, std::size_t bytes) {
  std::byte* const target = inside(to, bytes);
  const std::byte* const source = inside(from, bytes);
  // Unknown to the runtime: of the host.
  std::memcpy(target != nullptr ? target : to, source != nullptr ? source : from, bytes);
}

void* kernel_named(const char* name) {
  if (std::strcmp(name, sluice::datatype::gpu::kPackName) == 0) return &kernels[0];
  if (std::strcmp(name, sluice::datatype::gpu::kUnpackName) == 0) return &kernels[1];
  return nullptr;
}

void run_kernel(void* kernel, void** arguments, int device) {
  const Plan& plan = *static_cast<const Plan*>(arguments[0]);
  auto* const first = *static_cast<std::byte**>(arguments[1]);
  auto* const second = *static_cast<std::byte**>(arguments[2]);
  const bool packs = kernel == &kernels[0];
  run(packs, plan, packs ? first : second, packs ? second : first, device);
}

bool fails(const char* call) {
  const char* const failing = std::getenv("SLUICE_TEST_GPU_FAILS");
  return failing != nullptr && std::strcmp(failing, call) == 0;
}

}  // namespace driver_double
