// What the API says of GPUs. No GPU toolkit is needed to include this, and none to run: the library
// finds the driver when it is first asked for a device.
#pragma once

#include <cstdint>

namespace sluice {

/// Where memory is.
enum class MemoryKind : std::uint8_t {
  kHost,
  kDevice,  // of a GPU
};

/// A cudaStream_t or hipStream_t; nullptr is the device's default stream. Not owned.
struct Stream {
  void* handle = nullptr;
};

}  // namespace sluice
