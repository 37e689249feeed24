// Readiness of this process for doorbells, made beside other work.
#pragma once

#include <thread>

namespace sluice {

/// Begins with the first one of a process, and is there when that ends. The kernel takes no time
/// for it while the process has a single thread; else it waits for all cores to have passed a
/// quiet state, which is 10 ms and more. Who sleeps on a doorbell meanwhile wakes by its timer.
class DoorbellPreparation {
 public:
  DoorbellPreparation();
  ~DoorbellPreparation();
  DoorbellPreparation(const DoorbellPreparation&) = delete;
  DoorbellPreparation& operator=(const DoorbellPreparation&) = delete;

 private:
  std::thread thread_;
};

}  // namespace sluice
