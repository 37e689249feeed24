// CUDA's driver. Its kernels are in kernel_images.S.
#include <map>
#include <mutex>

#include "bindings/mpi/gpu_vendors.hpp"

extern "C" const unsigned char sluice_mpi_cuda_kernels[];
extern "C" const unsigned char sluice_mpi_cuda_kernels_end[];

namespace sluice::mpi::gpu {
namespace {

using Pointer = std::uint64_t;

/// What the driver is asked about a pointer, and what it says.
constexpr int kContextOfPointer = 1, kMemoryType = 2, kOrdinalOfPointer = 9;
constexpr unsigned kDeviceMemory = 2;
constexpr int kMultiprocessors = 16;  ///< a device's attribute
constexpr unsigned kNotWithDefaultStream = 1;
constexpr unsigned kForAllContexts = 1;
constexpr int kRelaxedCapture = 2;

Pointer pointer(const void* memory) { return reinterpret_cast<Pointer>(memory); }

class CudaDriver final : public Driver {
 public:
  bool find_in(void* object) {
    return Finder(object)
        .find(pointer_get_attribute_, "cuPointerGetAttribute")
        .find(get_error_string_, "cuGetErrorString")
        .find(ctx_push_current_, "cuCtxPushCurrent_v2")
        .find(ctx_pop_current_, "cuCtxPopCurrent_v2")
        .find(ctx_get_device_, "cuCtxGetDevice")
        .find(device_primary_ctx_retain_, "cuDevicePrimaryCtxRetain")
        .find(device_get_attribute_, "cuDeviceGetAttribute")
        .find(mem_alloc_, "cuMemAlloc_v2")
        .find(mem_free_, "cuMemFree_v2")
        .find(mem_host_alloc_, "cuMemHostAlloc")
        .find(mem_free_host_, "cuMemFreeHost")
        .find(memcpy_async_, "cuMemcpyAsync")
        .find(stream_create_, "cuStreamCreate")
        .find(stream_synchronize_, "cuStreamSynchronize")
        .find(exchange_capture_mode_, "cuThreadExchangeStreamCaptureMode")
        .find(module_load_data_, "cuModuleLoadData")
        .find(module_get_function_, "cuModuleGetFunction")
        .find(launch_kernel_, "cuLaunchKernel")
        .complete();
  }

  Vendor vendor() const override { return Vendor::kCuda; }
  const char* text_of(Error error) const override {
    const char* text = nullptr;
    return get_error_string_(error, &text) == 0 && text != nullptr ? text : "unknown error";
  }
  bool has_kernels() const override {
    return &sluice_mpi_cuda_kernels[0] != &sluice_mpi_cuda_kernels_end[0];
  }

  Owner owner_of(const void* memory) const override {
    unsigned type = 0;
    if (pointer_get_attribute_(&type, kMemoryType, pointer(memory)) != 0 || type != kDeviceMemory)
      return {};
    Owner owner{true, nullptr};
    if (pointer_get_attribute_(static_cast<void*>(&owner.context), kContextOfPointer,
                               pointer(memory)) == 0 &&
        owner.context != nullptr)
      return owner;
    // Memory that was mapped, not allocated, belongs to a device and to no context.
    int ordinal = 0;
    if (pointer_get_attribute_(&ordinal, kOrdinalOfPointer, pointer(memory)) == 0)
      owner.context = primary_context(ordinal);
    return owner;
  }

  Error enter(Context context, Before& before) const override {
    const Error error = ctx_push_current_(context);
    before.capture_mode = kRelaxedCapture;
    if (error == 0) exchange_capture_mode_(&before.capture_mode);
    return error;
  }
  void leave(const Before& before) const override {
    Context popped;
    int capture_mode = before.capture_mode;
    exchange_capture_mode_(&capture_mode);
    ctx_pop_current_(&popped);
  }

  Error multiprocessors(int& number) const override {
    int device = 0;
    const Error error = ctx_get_device_(&device);
    return error != 0 ? error : device_get_attribute_(&number, kMultiprocessors, device);
  }
  Error allocate(void*& memory, std::size_t bytes) const override {
    Pointer allocated = 0;
    const Error error = mem_alloc_(&allocated, bytes);
    memory = reinterpret_cast<void*>(allocated);
    return error;
  }
  Error free(void* memory) const override { return mem_free_(pointer(memory)); }
  Error allocate_pinned(void*& memory, std::size_t bytes) const override {
    return mem_host_alloc_(&memory, bytes, kForAllContexts);
  }
  Error free_pinned(void* memory) const override { return mem_free_host_(memory); }
  Error make_stream(Stream& stream) const override {
    return stream_create_(&stream, kNotWithDefaultStream);
  }
  Error wait(Stream stream) const override { return stream_synchronize_(stream); }
  Error copy(void* to, const void* from, std::size_t bytes, Stream stream) const override {
    return memcpy_async_(pointer(to), pointer(from), bytes, stream);
  }
  Error load(Kernels& kernels) const override {
    return load_kernels(module_load_data_, module_get_function_, sluice_mpi_cuda_kernels, kernels);
  }
  Error launch(Kernel kernel, unsigned blocks, unsigned threads, Stream stream,
               void** arguments) const override {
    return launch_kernel_(kernel, blocks, 1, 1, threads, 1, 1, 0, stream, arguments, nullptr);
  }

 private:
  /// Retained once for the process; null if the driver does not let us.
  Context primary_context(int device) const {
    static std::mutex mutex;
    static auto* const retained = new std::map<int, Context>;
    const std::lock_guard lock(mutex);
    Context& context = (*retained)[device];
    if (context == nullptr) device_primary_ctx_retain_(&context, device);
    return context;
  }

  Error (*pointer_get_attribute_)(void* data, int attribute, Pointer pointer) = nullptr;
  Error (*get_error_string_)(Error error, const char** text) = nullptr;
  Error (*ctx_push_current_)(Context context) = nullptr;
  Error (*ctx_pop_current_)(Context* context) = nullptr;
  Error (*ctx_get_device_)(int* device) = nullptr;
  Error (*device_primary_ctx_retain_)(Context* context, int device) = nullptr;
  Error (*device_get_attribute_)(int* value, int attribute, int device) = nullptr;
  Error (*mem_alloc_)(Pointer* memory, std::size_t bytes) = nullptr;
  Error (*mem_free_)(Pointer memory) = nullptr;
  Error (*mem_host_alloc_)(void** memory, std::size_t bytes, unsigned flags) = nullptr;
  Error (*mem_free_host_)(void* memory) = nullptr;
  Error (*memcpy_async_)(Pointer to, Pointer from, std::size_t bytes, Stream stream) = nullptr;
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

Sighting find_cuda() {
  void* const object = hold("libcuda.so.1");
  if (object == nullptr) return {};
  static CudaDriver driver;
  return {true, driver.find_in(object) ? &driver : nullptr};
}

}  // namespace sluice::mpi::gpu
