// How each vendor's runtime is looked for: gpu_driver.cpp asks each in turn.
#pragma once

#include <dlfcn.h>

#include "bindings/mpi/gpu_driver.hpp"

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
