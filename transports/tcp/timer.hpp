// Something to be done at a time, by whoever looks after the sockets.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "bootstrap/socket.hpp"
#include "sluice/status.hpp"
#include "transports/tcp/progress.hpp"

namespace sluice::transport::tcp {

class Timer final : public Watched {
 public:
  /// `due` must not wait; false: it is over.
  static Result<std::shared_ptr<Timer>> make(std::function<bool()> due);

  /// Once, so long from now; instead of an earlier time. Any thread.
  void set(std::chrono::nanoseconds from_now);

  const bootstrap::Fd& descriptor() const override { return timer_; }
  bool ready() override;

 private:
  explicit Timer(std::function<bool()> due) : due_(std::move(due)) {}

  bootstrap::Fd timer_;
  const std::function<bool()> due_;
};

}  // namespace sluice::transport::tcp
