// What every call of a GPU's runtime is wrapped in: the context, and words for its errors.
#pragma once

#include "bindings/mpi/device.hpp"
#include "bindings/mpi/gpu_driver.hpp"

namespace sluice::mpi::device {

/// The context of a place is the calling thread's, and captures of streams are left alone, for the
/// life of this object.
class Current {
 public:
  explicit Current(const Place& place);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

  /// False if the runtime does not let us; said on stderr.
  bool ok() const { return entered_; }
  const gpu::Driver& driver() const { return driver_; }
  /// False for an error, after a line on stderr: "sluice-mpi: <doing>: <the runtime's words>".
  bool succeeded(gpu::Error error, const char* doing) const;

 private:
  const gpu::Driver& driver_;
  gpu::Before before_;
  bool entered_;
};

}  // namespace sluice::mpi::device
