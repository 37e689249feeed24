#include "channel/doorbell.hpp"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace sluice {
namespace {

constexpr long kLongestSleepNs = 10'000'000;

long futex(std::uint32_t* word, int operation, std::uint32_t value, const timespec* timeout) {
  return syscall(SYS_futex, word, operation, value, timeout, nullptr, 0);
}

std::atomic_ref<std::uint32_t> atomic(std::uint32_t& word) {
  return std::atomic_ref<std::uint32_t>(word);
}

}  // namespace

void prepare_doorbells() noexcept {
  static const long registered =
      syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
  static_cast<void>(registered);
}

void sleep_on(Doorbell& doorbell, std::uint64_t* sleepers, const std::uint64_t* word,
              std::uint64_t target) noexcept {
  const std::uint32_t rung = atomic(doorbell.rung).load(std::memory_order_acquire);
  atomic(doorbell.sleeping).store(1);
  std::atomic_ref<std::uint64_t>(*sleepers).fetch_add(1);
  syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
  if (port::load_acquire(word) < target) {
    const timespec longest{0, kLongestSleepNs};
    futex(&doorbell.rung, FUTEX_WAIT, rung, &longest);
  }
  std::atomic_ref<std::uint64_t>(*sleepers).fetch_sub(1);
  atomic(doorbell.sleeping).store(0);
}

void ring(Doorbell& doorbell) noexcept {
  if (atomic(doorbell.sleeping).load() == 0) return;
  atomic(doorbell.rung).fetch_add(1);
  futex(&doorbell.rung, FUTEX_WAKE, 1, nullptr);
}

}  // namespace sluice
