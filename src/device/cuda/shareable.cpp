// shareable.hpp with the driver's virtual memory, whose calls are found at run time.
#include <cuda.h>
#include <fmt/format.h>

#include <map>
#include <mutex>
#include <vector>

#include "base/error.hpp"
#include "device/beside_captures.hpp"
#include "device/device.hpp"
#include "device/shareable.hpp"

namespace sluice::device {
namespace {

/// The driver's calls.
struct Driver {
  decltype(&cuGetErrorName) name_of;
  decltype(&cuDeviceGetAttribute) attribute;
  decltype(&cuDeviceCanAccessPeer) can_reach;
  decltype(&cuMemGetAddressRange) range_of;
  decltype(&cuMemGetAllocationGranularity) granularity;
  decltype(&cuMemCreate) create;
  decltype(&cuMemRelease) release;
  decltype(&cuMemAddressReserve) reserve;
  decltype(&cuMemAddressFree) unreserve;
  decltype(&cuMemMap) map;
  decltype(&cuMemUnmap) unmap;
  decltype(&cuMemSetAccess) set_access;
  decltype(&cuMemRetainAllocationHandle) retain;
  decltype(&cuMemExportToShareableHandle) to_descriptor;
  decltype(&cuMemImportFromShareableHandle) from_descriptor;

  /// nullptr: this driver has not all of them.
  static const Driver* find();
  bool look_up();
};

template <class Function>
bool look_up(Function& function, const char* name) {
  constexpr unsigned kSince = 12000;
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(name, &found, kSince, cudaEnableDefault, &result);
#else
  static_cast<void>(kSince);
  const cudaError_t error = cudaGetDriverEntryPoint(name, &found, cudaEnableDefault, &result);
#endif
  if (error != cudaSuccess) static_cast<void>(cudaGetLastError());
  function = reinterpret_cast<Function>(found);
  return error == cudaSuccess && result == cudaDriverEntryPointSuccess && found != nullptr;
}

bool Driver::look_up() {
  const auto all = [](bool so_far, bool found) { return so_far && found; };
  bool found = true;
  found = all(found, device::look_up(name_of, "cuGetErrorName"));
  found = all(found, device::look_up(attribute, "cuDeviceGetAttribute"));
  found = all(found, device::look_up(can_reach, "cuDeviceCanAccessPeer"));
  found = all(found, device::look_up(range_of, "cuMemGetAddressRange"));
  found = all(found, device::look_up(granularity, "cuMemGetAllocationGranularity"));
  found = all(found, device::look_up(create, "cuMemCreate"));
  found = all(found, device::look_up(release, "cuMemRelease"));
  found = all(found, device::look_up(reserve, "cuMemAddressReserve"));
  found = all(found, device::look_up(unreserve, "cuMemAddressFree"));
  found = all(found, device::look_up(map, "cuMemMap"));
  found = all(found, device::look_up(unmap, "cuMemUnmap"));
  found = all(found, device::look_up(set_access, "cuMemSetAccess"));
  found = all(found, device::look_up(retain, "cuMemRetainAllocationHandle"));
  found = all(found, device::look_up(to_descriptor, "cuMemExportToShareableHandle"));
  found = all(found, device::look_up(from_descriptor, "cuMemImportFromShareableHandle"));
  return found;
}

const Driver* Driver::find() {
  static Driver driver{};
  static const bool found = driver.look_up();
  return found ? &driver : nullptr;
}

Status check(const Driver& driver, CUresult result, const char* doing, std::uint64_t bytes) {
  if (result == CUDA_SUCCESS) return {};
  const char* name = nullptr;
  driver.name_of(result, &name);
  return fail(Errc::kGpuError, "a CUDA call failed",
              fmt::format("{} ({} bytes): {} ({})", doing, bytes, name == nullptr ? "?" : name,
                          static_cast<int>(result)));
}

Status no_driver() {
  return fail(Errc::kGpuError, "no virtual memory", "the CUDA driver has no virtual memory calls");
}

/// What this process has mapped itself.
struct Mappings {
  std::mutex mutex;
  std::map<void*, std::uint64_t> bytes_of;

  /// Never destroyed, as the memory.
  static Mappings& instance() {
    static auto* const mappings = new Mappings;
    return *mappings;
  }
  bool has(void* base) {
    const std::lock_guard lock(mutex);
    return bytes_of.contains(base);
  }
};

CUmemAllocationProp properties_on(int device) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
  properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  return properties;
}

/// Whether memory of `device` can have descriptors.
bool has_descriptors(const Driver& driver, int device) {
  const auto has = [&](CUdevice_attribute attribute) {
    int value = 0;
    return driver.attribute(&value, attribute, device) == CUDA_SUCCESS && value != 0;
  };
  return has(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED) &&
         has(CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED);
}

/// Every device of this process that reaches `owner`'s memory may use it.
std::vector<CUmemAccessDesc> users_of(const Driver& driver, int owner) {
  std::vector<CUmemAccessDesc> users;
  const auto devices = count();
  for (int device = 0; devices.ok() && device < devices.value(); ++device) {
    int can = device == owner ? 1 : 0;
    if (can == 0 && driver.can_reach(&can, device, owner) != CUDA_SUCCESS) can = 0;
    if (can != 0)
      users.push_back({.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
                       .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE});
  }
  return users;
}

/// Maps all of `handle` for `users`.
Result<void*> map_for(const Driver& driver, CUmemGenericAllocationHandle handle,
                      std::uint64_t bytes, const std::vector<CUmemAccessDesc>& users) {
  CUdeviceptr place = 0;
  SLUICE_TRY(check(driver, driver.reserve(&place, bytes, 0, 0, 0), "reserving addresses", bytes));
  if (const Status mapped =
          check(driver, driver.map(place, bytes, 0, handle, 0), "mapping device memory", bytes);
      !mapped.ok()) {
    driver.unreserve(place, bytes);
    return mapped;
  }
  if (const Status allowed =
          check(driver, driver.set_access(place, bytes, users.data(), users.size()),
                "giving access to device memory", bytes);
      !allowed.ok()) {
    driver.unmap(place, bytes);
    driver.unreserve(place, bytes);
    return allowed;
  }
  auto* const base = reinterpret_cast<void*>(place);
  Mappings& known = Mappings::instance();
  const std::lock_guard lock(known.mutex);
  known.bytes_of[base] = bytes;
  return base;
}

Status unmap(const Driver& driver, void* base) {
  std::uint64_t bytes = 0;
  {
    Mappings& known = Mappings::instance();
    const std::lock_guard lock(known.mutex);
    const auto found = known.bytes_of.find(base);
    if (found == known.bytes_of.end())
      return fail(Errc::kInternalError, "not mapped", "device memory that was never mapped here");
    bytes = found->second;
    known.bytes_of.erase(found);
  }
  const auto place = reinterpret_cast<CUdeviceptr>(base);
  SLUICE_TRY(check(driver, driver.unmap(place, bytes), "unmapping device memory", bytes));
  return check(driver, driver.unreserve(place, bytes), "giving addresses back", bytes);
}

}  // namespace

Result<void*> allocate_shareable(std::uint64_t bytes) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const int device, current());
  SLUICE_TRY(use(device));  // makes the runtime's context the driver's current one
  const Driver* driver = Driver::find();
  if (driver == nullptr || !has_descriptors(*driver, device)) return allocate(bytes);
  const CUmemAllocationProp properties = properties_on(device);
  std::size_t unit = 0;
  SLUICE_TRY(check(*driver,
                   driver->granularity(&unit, &properties, CU_MEM_ALLOC_GRANULARITY_RECOMMENDED),
                   "asking for the unit of device memory", bytes));
  const std::uint64_t whole = (bytes + unit - 1) / unit * unit;
  CUmemGenericAllocationHandle handle = 0;
  SLUICE_TRY(check(*driver, driver->create(&handle, whole, &properties, 0),
                   "allocating device memory", whole));
  auto mapped = map_for(*driver, handle, whole, users_of(*driver, device));
  driver->release(handle);  // the mapping keeps it
  if (!mapped.ok()) return mapped;
  if (const Status cleared = clear(mapped.value(), whole); !cleared.ok()) {
    static_cast<void>(unmap(*driver, mapped.value()));
    return cleared;
  }
  return mapped;
}

Status release_shareable(void* memory) {
  const BesideCaptures beside;
  if (!Mappings::instance().has(memory)) return release(memory);
  const Driver* driver = Driver::find();
  return driver == nullptr ? no_driver() : unmap(*driver, memory);
}

Result<Allocation> allocation_of(const void* pointer) {
  const BesideCaptures beside;
  const Driver* driver = Driver::find();
  if (driver == nullptr) return no_driver();
  CUdeviceptr base = 0;
  std::size_t bytes = 0;
  SLUICE_TRY(check(*driver, driver->range_of(&base, &bytes, reinterpret_cast<CUdeviceptr>(pointer)),
                   "looking for an allocation", 0));
  return Allocation{reinterpret_cast<std::byte*>(base), bytes};
}

Result<Fd> descriptor_of(void* base) {
  const BesideCaptures beside;
  if (!Mappings::instance().has(base)) return Fd();
  const Driver* driver = Driver::find();
  if (driver == nullptr) return no_driver();
  CUmemGenericAllocationHandle handle = 0;
  SLUICE_TRY(check(*driver, driver->retain(&handle, base), "finding device memory", 0));
  int number = -1;
  const CUresult exported =
      driver->to_descriptor(&number, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
  driver->release(handle);
  SLUICE_TRY(check(*driver, exported, "making a descriptor of device memory", 0));
  return Fd(number);
}

Result<void*> open_shareable(const Fd& descriptor, std::uint64_t bytes) {
  const BesideCaptures beside;
  SLUICE_TRY_ASSIGN(const int device, current());
  SLUICE_TRY(use(device));
  const Driver* driver = Driver::find();
  if (driver == nullptr) return no_driver();
  CUmemGenericAllocationHandle handle = 0;
  void* const number = reinterpret_cast<void*>(static_cast<std::uintptr_t>(descriptor.get()));
  SLUICE_TRY(check(
      *driver, driver->from_descriptor(&handle, number, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR),
      "opening another process's device memory", bytes));
  auto mapped = map_for(*driver, handle, bytes,
                        {{.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device},
                          .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE}});
  driver->release(handle);
  return mapped;
}

Status close_shareable(void* opened, std::uint64_t) {
  const BesideCaptures beside;
  const Driver* driver = Driver::find();
  return driver == nullptr ? no_driver() : unmap(*driver, opened);
}

}  // namespace sluice::device
