// What tests of several folders look with: a condition that comes true, a counter, a log kept
// still.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "base/log.hpp"
#include "base/port.hpp"

namespace sluice::test {

/// Calls `condition` until it is true; false after `limit`.
template <class Condition>
bool comes_true(std::chrono::milliseconds limit, Condition condition) {
  using Clock = std::chrono::steady_clock;
  for (const auto by = Clock::now() + limit; !condition();) {
    if (Clock::now() > by) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

inline std::uint64_t counter_at(const std::byte* counter) {
  return port::load_acquire(reinterpret_cast<const std::uint64_t*>(counter));
}

/// Keeps the log still while it lives, where refusals are meant.
class Quiet {
 public:
  Quiet() : level_(log::level()) { log::set_level(log::Level::kOff); }
  ~Quiet() { log::set_level(level_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  log::Level level_;
};

}  // namespace sluice::test
