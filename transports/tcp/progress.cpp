#include "transports/tcp/progress.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "bootstrap/thread.hpp"

namespace sluice::transport::tcp {
namespace {

// How long after a poll the thread still leaves the sockets alone: a rank that polls does so every
// few microseconds, and what comes between two of its calls may lie this long.
constexpr std::chrono::milliseconds kAttendance{5};
// Of the polls for one, every so many say that somebody polls, and every so many are for all: who
// always finds what it waits for still takes in what others send.
constexpr unsigned kPollsPerAttendance = 8, kPollsForAll = 64;

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
  hand_over();
  thread_.join();
}

Status Progress::watch(std::shared_ptr<Watched> one) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t id = one->id_ = ++last_id_;
  one->sending_ = one->wants_to_send();
  one->watched_ = true;
  if (const int error = control(epoll_, EPOLL_CTL_ADD, one->descriptor(), id, one->sending_)) {
    one->watched_ = false;
    return fail_os("epoll_ctl failed", "tcp: a connection cannot be watched", error);
  }
  watched_.emplace(id, std::move(one));
  return {};
}

void Progress::look_again(Watched& one) {
  const std::lock_guard lock(mutex_);
  if (one.watched_) update(one);
}

/// Under mutex_, so that the last who asks is the last who tells the kernel.
void Progress::update(Watched& one) {
  const bool sending = one.wants_to_send();
  if (sending != one.sending_.exchange(sending))
    control(epoll_, EPOLL_CTL_MOD, one.descriptor(), one.id_, sending);
}

void Progress::run() {
  Events events;
  while (!stopping_.load()) {
    keep_away();
    sleep_until_called_or_needed();
    if (is_attended()) continue;
    const std::lock_guard turn(serving_);
    serve(wait_for_events(events, 0));
  }
}

void Progress::sleep_until_called_or_needed() {
  pollfd either[] = {{epoll_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
  listening_.store(true);
  ::poll(either, std::size(either), -1);
  listening_.store(false);
  if (either[1].revents != 0) bootstrap::clear_wake_event(wake_);
}

std::span<const epoll_event> Progress::wait_for_events(Events& events, int ms) {
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), ms);
  return std::span(events).first(static_cast<std::size_t>(std::max(count, 0)));
}

bool Progress::is_attended() const {
  return Clock::now() < Clock::time_point(Clock::duration(attended_until_.load()));
}

void Progress::keep_away() {
  std::unique_lock lock(away_mutex_);
  while (!stopping_.load() && is_attended())
    handed_over_.wait_until(lock, Clock::time_point(Clock::duration(attended_until_.load())));
}

void Progress::hand_over() {
  attended_until_.store(0);
  // Either the thread has not looked yet, or it sleeps by now and hears the notice.
  { const std::lock_guard lock(away_mutex_); }
  handed_over_.notify_one();
}

void Progress::poll(std::chrono::milliseconds patience, Watched* awaited) {
  const std::unique_lock turn(serving_, std::try_to_lock);
  if (!turn.owns_lock()) return;
  const unsigned number = polls_++;
  const bool for_all = awaited == nullptr || patience.count() != 0 || number % kPollsForAll == 0;
  if (for_all || number % kPollsPerAttendance == 0) attend(patience);
  if (!for_all) return awaited->watched_.load(std::memory_order_relaxed) ? serve(*awaited) : void();
  Events events;
  serve(wait_for_events(events, static_cast<int>(patience.count())));
  if (patience.count() != 0) attend({});
}

void Progress::attend(std::chrono::milliseconds patience) {
  const Clock::time_point until = Clock::now() + patience + kAttendance;
  attended_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
  // Called away: else every arrival wakes it inside the kernel, where it finds that the arrival has
  // been taken in and sleeps on, which costs whoever has the core two switches each time.
  if (listening_.load(std::memory_order_relaxed) && listening_.exchange(false))
    bootstrap::signal_wake_event(wake_);
}

/// Under serving_. A connection may have been served, or be over, since the event: both do no harm.
void Progress::serve(std::span<const epoll_event> events) {
  for (const epoll_event& event : events)
    if (const auto one = find(event.data.u64)) serve(*one);
}

/// Null for one that is over.
std::shared_ptr<Watched> Progress::find(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = watched_.find(id);
  return found == watched_.end() ? nullptr : found->second;
}

void Progress::serve(Watched& one) {
  const bool goes_on = one.ready();
  // Where it did not wait for room and does not, there is nothing to tell: most of the time. If
  // somebody is just telling the kernel that it does, room is reported once in vain.
  if (goes_on && !one.wants_to_send() && !one.sending_) return;
  const std::lock_guard lock(mutex_);
  if (goes_on) return update(one);
  one.watched_ = false;
  control(epoll_, EPOLL_CTL_DEL, one.descriptor(), one.id_, false);
  watched_.erase(one.id_);
}

}  // namespace sluice::transport::tcp
