// SLUICE_NCCL_FALLBACK=path: another libnccl.so.2 that gets all calls of this process.
#pragma once

#include <array>
#include <string>

#include "bindings/nccl/door.hpp"
#include "sluice/status.hpp"

namespace sluice::nccl {

class Fallback {
 public:
  /// The library that the environment names, null without one. Looked for at the first call. One
  /// that cannot be loaded has no function, so every call fails and says why.
  static const Fallback* instance();

  /// Null when the library does not have it.
  void* function(Slot slot) const { return functions_[static_cast<unsigned>(slot)]; }
  /// Makes the error of a function that is missing.
  Status missing(const char* name) const;

 private:
  explicit Fallback(std::string path);

  std::string path_, why_missing_;
  std::array<void*, static_cast<unsigned>(Slot::kCount)> functions_{};
};

}  // namespace sluice::nccl
