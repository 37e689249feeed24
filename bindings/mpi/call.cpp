#include "bindings/mpi/call.hpp"

#include <cstdlib>
#include <cstring>

namespace sluice::mpi {

constinit thread_local int nested = 0;

const OwnCalls& own_calls() {
  static const OwnCalls functions;
  return functions;
}

Reason why_not(const TypeInfo& type, std::uint64_t bytes) {
  if (type.layout == nullptr) return Reason::kType;
  if (bytes == 0) return Reason::kEmpty;
  if (type.contiguous()) return Reason::kContiguous;
  return bytes > INT_MAX || type.size > INT_MAX ? Reason::kLarge : Reason::kTable;
}

const char* name_of(policy::Way way, const TypeInfo& type) {
  switch (way) {
    case policy::Way::kHost: return type.layout->mover_name();
    case policy::Way::kOneShot: return "gpu, one-shot";
    case policy::Way::kStaged: return "gpu, staged";
    case policy::Way::kDevice: return "gpu, device";
    case policy::Way::kOff: break;
  }
  return "";
}

namespace {

bool is_one(const char* variable) {
  const char* const value = std::getenv(variable);
  return value != nullptr && std::strcmp(value, "1") == 0;
}

/// Whether the library has the function, and it says yes.
bool says_yes(const char* query) {
  void* const function = own_function(query);
  return function != nullptr && reinterpret_cast<int (*)()>(function)() == 1;
}

/// Whether the library takes pointers into the memory of a vendor's GPUs: what it says, or the
/// variables that make it.
bool library_takes(gpu::Vendor vendor) {
  static const bool any = is_one("MPICH_GPU_SUPPORT_ENABLED") || is_one("I_MPI_OFFLOAD");
  static const bool cuda = any || says_yes("MPIX_Query_cuda_support") || is_one("MV2_USE_CUDA");
  static const bool hip = any || says_yes("MPIX_Query_rocm_support") ||
                          says_yes("MPIX_Query_hip_support") || is_one("MV2_USE_ROCM");
  return vendor == gpu::Vendor::kCuda ? cuda : hip;
}

/// Whether a row's way can be gone. What packed structs would lose elements in the library's own
/// hands is ours to receive.
bool can_go(policy::Way way, const TypeInfo& type, Call call, gpu::Vendor vendor) {
  if (way == policy::Way::kOff && type.always_received && call != Call::kSend) return false;
  return (way != policy::Way::kDevice && way != policy::Way::kOff) || library_takes(vendor);
}

policy::Way way_on_device(const TypeInfo& type, Call call, std::uint64_t bytes,
                          gpu::Vendor vendor) {
  if (const policy::Way* const forced = policy::forced_way(); forced != nullptr) return *forced;
  for (const policy::DeviceRange& range : type.device_ranges)
    if (range.call == call && bytes >= range.packed_bytes.first &&
        bytes <= range.packed_bytes.last && can_go(range.way, type, call, vendor))
      return range.way;
  return library_takes(vendor) ? policy::Way::kDevice : policy::Way::kOneShot;
}

/// The memory of a call with one element that is one block, like a plane of a grid: there are gaps
/// around it, and none in it. Else null.
std::byte* own_form_of(const TypeInfo& type, const void* user, std::uint64_t bytes) {
  if (bytes != static_cast<std::uint64_t>(type.size) || type.layout->smallest_block() != type.size)
    return nullptr;
  return static_cast<std::byte*>(const_cast<void*>(user)) + type.layout->true_lower_bound();
}

}  // namespace

Route route_of(Call call, const TypeInfo& type, const void* user, std::uint64_t bytes, bool self) {
  if (nested != 0) return {.reason = Reason::kNested};
  const bool has_bytes = type.layout != nullptr && bytes > 0 && bytes <= INT_MAX;
  const device::Place place = has_bytes ? place_of(type, user) : device::Place{};
  if (place.where == device::Where::kHost) {
    if (type.packs(call, self, bytes))
      return {.packs = true, .own_form = own_form_of(type, user, bytes)};
    return {.reason = why_not(type, bytes)};
  }
  if (place.where == device::Where::kUnknown || policy::leaves_devices())
    return {.reason = Reason::kDevice, .place = place};
  const policy::Way way = way_on_device(type, call, bytes, place.driver->vendor());
  // What has no gaps is for a library that takes it to move.
  const bool moves = type.contiguous() ? way != policy::Way::kDevice : device::has_kernels(place);
  if (!moves) return {.reason = Reason::kDevice, .place = place};
  if (way == policy::Way::kOff) return {.reason = Reason::kTable, .place = place};
  return {.packs = true, .way = way, .place = place};
}

}  // namespace sluice::mpi
