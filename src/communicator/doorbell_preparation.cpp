#include "communicator/doorbell_preparation.hpp"

#include <sys/single_threaded.h>

#include <atomic>
#include <system_error>

#include "channel/doorbell.hpp"

namespace sluice {

DoorbellPreparation::DoorbellPreparation() {
  static std::atomic<bool> begun = false;
  if (begun.exchange(true)) return;
  if (__libc_single_threaded == 0) {
    try {
      thread_ = std::thread(prepare_doorbells);
      return;
    } catch (const std::system_error&) {  // there is no thread to be had
    }
  }
  prepare_doorbells();
}

DoorbellPreparation::~DoorbellPreparation() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace sluice
