// What both vendors' files need: how a runtime is looked for, which gpu_driver.cpp asks of each in
// turn, and kernels loaded.
#pragma once

#include <dlfcn.h>

#include "bindings/mpi/gpu_driver.hpp"
#include "datatype/gpu/kernels.hpp"

namespace sluice::mpi::gpu {

/// What a look for a runtime found.
struct Sighting {
  bool is_loaded = false;
  const Driver* driver = nullptr;  ///< null also where some call of it is missing
};
Sighting find_cuda();
Sighting find_hip();

/// Null where the program has not loaded it. Never unloaded from then on: we hold it.
inline void* hold(const char* name) { return dlopen(name, RTLD_LAZY | RTLD_NOLOAD); }

using Module = void*;

/// The kernels of an image, by calls that both vendors have alike.
inline Error load_kernels(Error (*load)(Module* module, const void* image),
                          Error (*get)(Kernel* kernel, Module module, const char* name),
                          const void* image, Kernels& kernels) {
  Module module = nullptr;
  Error error = load(&module, image);
  if (error == 0) error = get(&kernels.pack, module, datatype::gpu::kPackName);
  if (error == 0) error = get(&kernels.unpack, module, datatype::gpu::kUnpackName);
  return error;
}

/// Finds functions until one is missing.
class Finder {
 public:
  explicit Finder(void* object) : object_(object) {}
  template <class Found>
  Finder& find(Found*& function, const char* name) {
    function = reinterpret_cast<Found*>(dlsym(object_, name));
    complete_ = complete_ && function != nullptr;
    return *this;
  }
  bool complete() const { return complete_; }

 private:
  void* object_;
  bool complete_ = true;
};

}  // namespace sluice::mpi::gpu
