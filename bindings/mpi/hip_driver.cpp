// HIP's runtime, of ROCm 5 to 7. Its kernels are in kernel_images.S.
//
// A call of HIP starts the runtime if the program has not done so, which may still mean to choose
// its devices by a variable; and if it fails, it leaves its error for the program's next
// hipGetLastError(). So of memory HSA is asked first, the layer below, which does neither: only
// what it knows is worth a call of HIP, and then the program has made some. An error of ours is
// taken away again. (One that the program has left there is lost, as by any call up to ROCm 6.)
#include "bindings/mpi/gpu_vendors.hpp"

extern "C" const unsigned char sluice_mpi_hip_kernels[];
extern "C" const unsigned char sluice_mpi_hip_kernels_end[];

namespace sluice::mpi::gpu {
namespace {

constexpr int kRocm6 = 60000000;  ///< as hipRuntimeGetVersion has it
/// Kinds of memory: of a device, and since ROCm 6 what HIP does not know.
constexpr int kDeviceUntilRocm6 = 1, kDeviceSinceRocm6 = 2, kUnregisteredSinceRocm6 = 0;
/// For HSA: malloc's, and malloc's that somebody has pinned.
constexpr std::uint32_t kUnknownToHsa = 0, kLocked = 2;
constexpr int kMultiprocessors = 63;  ///< a device's attribute
constexpr unsigned kNotWithDefaultStream = 1;
constexpr unsigned kCoherentForAllDevices = 0;  ///< the default; single flags may lose coherence
constexpr int kRelaxedCapture = 2;
constexpr int kAnyDirection = 4;

/// hsa_amd_pointer_info_t: what is of interest in it, and the rest up to the size that we say it
/// has.
struct alignas(8) HsaPointerInfo {
  std::uint32_t size = sizeof(HsaPointerInfo);
  std::uint32_t type = kUnknownToHsa;
  std::byte others[48] = {};
};

/// hipPointerAttribute_t, and more behind it than any release so far fills.
struct alignas(8) PointerAttributes {
  int memory_type = 0;
  int device = 0;
  std::byte others[120] = {};
};

/// Devices are numbered; a context is never null.
Context context_of(int device) {
  return reinterpret_cast<Context>(static_cast<std::uintptr_t>(device) + 1);
}
int device_of(Context context) {
  return static_cast<int>(reinterpret_cast<std::uintptr_t>(context) - 1);
}

class HipDriver final : public Driver {
 public:
  /// The runtime is linked to HSA, or has loaded it.
  bool find_in(void* object) {
    if (!find_hsa(object) && !find_hsa(hold("libhsa-runtime64.so.1"))) return false;
    return Finder(object)
        .find(get_version_, "hipRuntimeGetVersion")
        .find(get_last_error_, "hipGetLastError")
        .find(get_error_string_, "hipGetErrorString")
        .find(pointer_get_attributes_, "hipPointerGetAttributes")
        .find(get_device_, "hipGetDevice")
        .find(set_device_, "hipSetDevice")
        .find(device_get_attribute_, "hipDeviceGetAttribute")
        .find(malloc_, "hipMalloc")
        .find(free_, "hipFree")
        .find(host_malloc_, "hipHostMalloc")
        .find(host_free_, "hipHostFree")
        .find(memcpy_async_, "hipMemcpyAsync")
        .find(stream_create_, "hipStreamCreateWithFlags")
        .find(stream_synchronize_, "hipStreamSynchronize")
        .find(exchange_capture_mode_, "hipThreadExchangeStreamCaptureMode")
        .find(module_load_data_, "hipModuleLoadData")
        .find(module_get_function_, "hipModuleGetFunction")
        .find(launch_kernel_, "hipModuleLaunchKernel")
        .complete();
  }

  Vendor vendor() const override { return Vendor::kHip; }
  const char* text_of(Error error) const override { return get_error_string_(error); }
  bool has_kernels() const override {
    return &sluice_mpi_hip_kernels[0] != &sluice_mpi_hip_kernels_end[0];
  }

  /// Not by hipPointerGetAttribute: asked for the kind of memory, that of ROCm 5 follows what lies
  /// at an address of the host as if it were a pointer.
  Owner owner_of(const void* memory) const override {
    HsaPointerInfo info;
    if (hsa_pointer_info_(memory, &info, nullptr, nullptr, nullptr) != 0 ||
        info.type == kUnknownToHsa || info.type == kLocked)
      return {};
    // HSA's own, so what HIP cannot say anything of may be a device's.
    PointerAttributes attributes;
    if (taken(pointer_get_attributes_(&attributes, memory)) != 0) return {true, nullptr};
    if (attributes.memory_type == (is_rocm_5() ? kDeviceUntilRocm6 : kDeviceSinceRocm6))
      return {true, attributes.device >= 0 ? context_of(attributes.device) : nullptr};
    const bool unknown = !is_rocm_5() && attributes.memory_type == kUnregisteredSinceRocm6;
    return {unknown, nullptr};
  }

  Error enter(Context context, Before& before) const override {
    Error error = get_device_(&before.device);
    if (error == 0) error = set_device_(device_of(context));
    before.capture_mode = kRelaxedCapture;
    if (error == 0) taken(exchange_capture_mode_(&before.capture_mode));
    return taken(error);
  }
  void leave(const Before& before) const override {
    int capture_mode = before.capture_mode;
    taken(exchange_capture_mode_(&capture_mode));
    taken(set_device_(before.device));
  }

  Error multiprocessors(int& number) const override {
    int device = 0;
    const Error error = get_device_(&device);
    return taken(error != 0 ? error : device_get_attribute_(&number, kMultiprocessors, device));
  }
  Error allocate(void*& memory, std::size_t bytes) const override {
    return taken(malloc_(&memory, bytes));
  }
  Error free(void* memory) const override { return taken(free_(memory)); }
  Error allocate_pinned(void*& memory, std::size_t bytes) const override {
    return taken(host_malloc_(&memory, bytes, kCoherentForAllDevices));
  }
  Error free_pinned(void* memory) const override { return taken(host_free_(memory)); }
  Error make_stream(Stream& stream) const override {
    return taken(stream_create_(&stream, kNotWithDefaultStream));
  }
  Error wait(Stream stream) const override { return taken(stream_synchronize_(stream)); }
  Error copy(void* to, const void* from, std::size_t bytes, Stream stream) const override {
    return taken(memcpy_async_(to, from, bytes, kAnyDirection, stream));
  }
  Error load(Kernels& kernels) const override {
    return taken(
        load_kernels(module_load_data_, module_get_function_, sluice_mpi_hip_kernels, kernels));
  }
  Error launch(Kernel kernel, unsigned blocks, unsigned threads, Stream stream,
               void** arguments) const override {
    return taken(
        launch_kernel_(kernel, blocks, 1, 1, threads, 1, 1, 0, stream, arguments, nullptr));
  }

 private:
  bool find_hsa(void* object) {
    return object != nullptr &&
           Finder(object).find(hsa_pointer_info_, "hsa_amd_pointer_info").complete();
  }

  /// The error, which the program will not see.
  Error taken(Error error) const {
    if (error != 0) [[unlikely]]
      get_last_error_();
    return error;
  }

  bool is_rocm_5() const {
    static const bool value = [this] {
      int version = 0;
      return taken(get_version_(&version)) == 0 && version < kRocm6;
    }();
    return value;
  }

  int (*hsa_pointer_info_)(const void* pointer, HsaPointerInfo* info,
                           void* (*allocate)(std::size_t), std::uint32_t* agents,
                           void** accessible) = nullptr;
  Error (*get_version_)(int* version) = nullptr;
  Error (*get_last_error_)() = nullptr;
  const char* (*get_error_string_)(Error error) = nullptr;
  Error (*pointer_get_attributes_)(PointerAttributes* attributes, const void* pointer) = nullptr;
  Error (*get_device_)(int* device) = nullptr;
  Error (*set_device_)(int device) = nullptr;
  Error (*device_get_attribute_)(int* value, int attribute, int device) = nullptr;
  Error (*malloc_)(void** memory, std::size_t bytes) = nullptr;
  Error (*free_)(void* memory) = nullptr;
  Error (*host_malloc_)(void** memory, std::size_t bytes, unsigned flags) = nullptr;
  Error (*host_free_)(void* memory) = nullptr;
  Error (*memcpy_async_)(void* to, const void* from, std::size_t bytes, int direction,
                         Stream stream) = nullptr;
  Error (*stream_create_)(Stream* stream, unsigned flags) = nullptr;
  Error (*stream_synchronize_)(Stream stream) = nullptr;
  Error (*exchange_capture_mode_)(int* mode) = nullptr;
  Error (*module_load_data_)(Module* module, const void* image) = nullptr;
  Error (*module_get_function_)(Kernel* function, Module module, const char* name) = nullptr;
  Error (*launch_kernel_)(Kernel function, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z,
                          unsigned threads_x, unsigned threads_y, unsigned threads_z,
                          unsigned shared_bytes, Stream stream, void** arguments,
                          void** extra) = nullptr;
};

}  // namespace

Sighting find_hip() {
  static HipDriver driver;
  for (const char* name :
       {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", "libamdhip64.so"})
    if (void* const object = hold(name); object != nullptr)
      return {true, driver.find_in(object) ? &driver : nullptr};
  return {};
}

}  // namespace sluice::mpi::gpu
