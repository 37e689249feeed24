// For the files that call the CUDA runtime.
#pragma once

#include <cuda_runtime_api.h>

namespace sluice::device {

/// Calls in its scope are allowed although some stream of the process is being captured: they
/// have nothing to do with it.
class BesideCaptures {
 public:
  BesideCaptures() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~BesideCaptures() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  BesideCaptures(const BesideCaptures&) = delete;
  BesideCaptures& operator=(const BesideCaptures&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace sluice::device
