// What every call of the driver is wrapped in: the context, and words for its errors.
#pragma once

#include "bindings/mpi/cuda_driver.hpp"
#include "bindings/mpi/device.hpp"

namespace sluice::mpi::device {

/// False for an error, after a line on stderr: "sluice-mpi: <doing>: <the driver's words>".
bool succeeded(cuda::Error error, const char* doing);

/// The context of a place is the calling thread's, and captures of streams are left alone, for the
/// life of this object.
class Current {
 public:
  explicit Current(const Place& place);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

  /// False if the driver does not let us; said on stderr.
  bool ok() const { return pushed_; }
  const cuda::Driver& driver() const { return driver_; }

 private:
  const cuda::Driver& driver_;
  bool pushed_;
  int capture_mode_ = cuda::kRelaxedCapture;
};

}  // namespace sluice::mpi::device
