#include "transports/tcp/timer.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "base/error.hpp"

namespace sluice::transport::tcp {

Result<std::shared_ptr<Timer>> Timer::make(std::function<bool()> due) {
  std::shared_ptr<Timer> made(new Timer(std::move(due)));
  made->timer_ = bootstrap::Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!made->timer_.valid()) return fail_os("timerfd failed", "tcp: timerfd_create", errno);
  return made;
}

void Timer::set(std::chrono::nanoseconds from_now) {
  const long long ns = std::max<long long>(from_now.count(), 1);  // 0 would mean never
  itimerspec when{};
  when.it_value.tv_sec = ns / 1'000'000'000;
  when.it_value.tv_nsec = ns % 1'000'000'000;
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

bool Timer::ready() {
  std::uint64_t times;
  if (::read(timer_.get(), &times, sizeof times) < 0) return true;  // has been set again meanwhile
  return due_();
}

}  // namespace sluice::transport::tcp
