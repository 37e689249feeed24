// For the files that call a vendor's runtime.
#pragma once

#include "vendor.hpp"

namespace sluice::device {

/// Calls in its scope are allowed although some stream of the process is being captured: they
/// have nothing to do with it.
class BesideCaptures {
 public:
  BesideCaptures() { exchange(); }
  ~BesideCaptures() { exchange(); }
  BesideCaptures(const BesideCaptures&) = delete;
  BesideCaptures& operator=(const BesideCaptures&) = delete;

 private:
  void exchange() {
    static_cast<void>(vendor::functions().ThreadExchangeStreamCaptureMode(&mode_));
  }

  vendor::CaptureMode mode_ = vendor::kRelaxed;
};

}  // namespace sluice::device
