#include "transports/tcp/progress.hpp"

#include <poll.h>

#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "bootstrap/thread.hpp"

namespace sluice::transport::tcp {
namespace {

constexpr std::uint64_t kWakeId = 0;
// How long after a poll the thread still leaves the sockets alone: a rank that polls does so every
// few microseconds, and what comes between two of its calls may lie this long.
constexpr std::chrono::milliseconds kAttendance{1};
// Who waits for one looks at the others every so many times: about every 3 us.
constexpr unsigned kPollsForAll = 8;

int control(const bootstrap::Fd& epoll, int operation, const bootstrap::Fd& fd, std::uint64_t id,
            bool sending) {
  epoll_event event{};
  event.events = sending ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = id;
  return ::epoll_ctl(epoll.get(), operation, fd.get(), &event) == 0 ? 0 : errno;
}

}  // namespace

Result<std::unique_ptr<Progress>> Progress::start() {
  std::unique_ptr<Progress> progress(new Progress);
  progress->epoll_ = bootstrap::Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!progress->epoll_.valid()) return fail_os("epoll_create failed", "tcp: epoll_create", errno);
  bootstrap::OpenResult wake = bootstrap::make_wake_event();
  if (!wake.fd.valid()) return fail_os("eventfd failed", "tcp: eventfd", wake.error);
  progress->wake_ = std::move(wake.fd);
  if (const int error = control(progress->epoll_, EPOLL_CTL_ADD, progress->wake_, kWakeId, false))
    return fail_os("epoll_ctl failed", "tcp: epoll_ctl", error);
  SLUICE_TRY_ASSIGN(progress->thread_,
                    bootstrap::start_thread("sluice-tcp", [p = progress.get()] { p->run(); }));
  return progress;
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  if (generation_ != bootstrap::fork_generation()) {
    thread_.detach();  // a forked child: the thread was never here
    return;
  }
  stopping_.store(true);
  bootstrap::signal_wake_event(wake_);
  thread_.join();
}

Status Progress::watch(std::shared_ptr<Watched> one) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = one->id_ = ++last_id_;
  const bool sending = one->wants_to_send();
  if (const int error = control(epoll_, EPOLL_CTL_ADD, one->descriptor(), id, sending))
    return fail_os("epoll_ctl failed", "tcp: a connection cannot be watched", error);
  entries_.emplace(id, Entry{std::move(one), sending});
  return {};
}

void Progress::look_again(const Watched& one) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, entry] : entries_)
    if (entry.watched.get() == &one) return update(id, entry);
}

/// Under mutex_, so that the last who asks is the last who tells the kernel.
void Progress::update(std::uint64_t id, Entry& entry) {
  const bool sending = entry.watched->wants_to_send();
  if (sending != std::exchange(entry.sending, sending))
    control(epoll_, EPOLL_CTL_MOD, entry.watched->descriptor(), id, sending);
}

void Progress::run() {
  Events events;
  while (!stopping_.load()) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (keep_away()) continue;
    const std::lock_guard turn(serving_);
    serve(events, count);
  }
}

bool Progress::keep_away() {
  const Clock::duration left{attended_until_.load(std::memory_order_relaxed) -
                             Clock::now().time_since_epoch().count()};
  if (left <= Clock::duration::zero()) return false;
  pollfd wake{wake_.get(), POLLIN, 0};
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left);
  ::poll(&wake, 1, static_cast<int>(milliseconds.count()));
  return true;
}

void Progress::poll(std::chrono::milliseconds patience, const Watched* awaited) {
  const std::unique_lock turn(serving_, std::try_to_lock);
  if (!turn.owns_lock()) return;
  attend(patience);
  if (awaited != nullptr && patience.count() == 0 && ++polls_ % kPollsForAll != 0)
    return serve(awaited->id_);
  Events events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 static_cast<int>(patience.count()));
  serve(events, count);
  if (patience.count() != 0) attend({});
}

void Progress::attend(std::chrono::milliseconds patience) {
  const Clock::time_point until = Clock::now() + patience + kAttendance;
  attended_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

/// Under serving_. A connection may have been served, or be over, since the event: both do no harm.
void Progress::serve(const Events& events, int count) {
  for (int i = 0; i < count; ++i) {
    const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
    if (id != kWakeId) serve(id);
  }
}

void Progress::serve(std::uint64_t id) {
  Entry* entry = nullptr;
  {
    // Only who serves erases, and insertions leave the entry where it is.
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    entry = &found->second;
  }
  Watched& watched = *entry->watched;
  const bool goes_on = watched.ready();
  const std::lock_guard lock(mutex_);
  if (goes_on) return update(id, *entry);
  control(epoll_, EPOLL_CTL_DEL, watched.descriptor(), id, false);
  entries_.erase(id);
}

}  // namespace sluice::transport::tcp
