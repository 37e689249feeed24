#include "transports/tcp/reception.hpp"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace sluice::transport::tcp {
namespace {

using namespace bootstrap;
using std::chrono::nanoseconds;

constexpr int kAcceptsPerTurn = 16;
constexpr std::uint64_t kRefusalsLogged = 16;  // who floods the port must not flood the log
constexpr std::chrono::milliseconds kAcceptPause{50};

// Numbers that epoll reports: the timer, then the listeners, then strangers.
constexpr std::uint64_t kTimerId = 0;
constexpr std::uint64_t kFirstStrangerId = 1000;

}  // namespace

Result<std::shared_ptr<Reception>> Reception::make(Setup setup) {
  std::shared_ptr<Reception> made(new Reception(std::move(setup)));
  made->epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!made->epoll_.valid()) return fail_os("epoll_create failed", "tcp: epoll_create", errno);
  made->timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!made->timer_.valid()) return fail_os("timerfd failed", "tcp: timerfd_create", errno);
  int error = made->watch(EPOLL_CTL_ADD, made->timer_, kTimerId, true);
  for (std::size_t i = 0; i < made->setup_.listeners.size() && error == 0; ++i)
    error = made->watch(EPOLL_CTL_ADD, made->setup_.listeners[i], 1 + i, true);
  if (error != 0) return fail_os("epoll_ctl failed", "tcp: a listener cannot be watched", error);
  made->last_id_ = kFirstStrangerId;
  return made;
}

int Reception::watch(int operation, const Fd& fd, std::uint64_t id, bool on) {
  epoll_event event{};
  event.events = on ? std::uint32_t{EPOLLIN} : 0;
  event.data.u64 = id;
  return ::epoll_ctl(epoll_.get(), operation, fd.get(), &event) == 0 ? 0 : errno;
}

bool Reception::ready() {
  std::array<epoll_event, 32> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t id = events[static_cast<std::size_t>(i)].data.u64;
    if (id == kTimerId) {
      std::uint64_t times;
      [[maybe_unused]] const auto read = ::read(timer_.get(), &times, sizeof times);
    } else if (id <= setup_.listeners.size()) {
      accept_waiting(setup_.listeners[id - 1]);
    } else {
      advance(id);
    }
  }
  drop_late();
  if (!listening_ && listen_again_.passed()) listen(true);
  set_timer();
  return true;
}

void Reception::accept_waiting(const Fd& listener) {
  for (int turn = 0; turn < kAcceptsPerTurn; ++turn) {
    const bool full = strangers_.size() >= kMaxStrangers;
    if (full && !strangers_.begin()->second.spared.passed())
      return pause_listening(strangers_.begin()->second.spared);
    Address address;
    OpenResult accepted = accept_from(listener, address);
    if (!accepted.fd.valid()) {
      if (accepted.error == EMFILE || accepted.error == ENFILE || accepted.error == ENOMEM ||
          accepted.error == ENOBUFS) {
        // It would be reported again at once, for as long as there is no room.
        log::warn("tcp: a connection waits: {}", std::strerror(accepted.error));
        pause_listening(Deadline::after(kAcceptPause));
      }
      return;
    }
    if (full)
      refuse(strangers_.begin(), "too many have not proved the key yet, and it is the oldest");
    const std::uint64_t id = ++last_id_;
    if (watch(EPOLL_CTL_ADD, accepted.fd, id, true) != 0) continue;
    strangers_.emplace(id, Stranger{std::move(accepted.fd),
                                    address,
                                    Deadline::after(kStrangerGrace),
                                    Deadline::after(setup_.stranger_time),
                                    {}});
  }
}

void Reception::listen(bool on) {
  listening_ = on;
  for (std::size_t i = 0; i < setup_.listeners.size(); ++i)
    watch(EPOLL_CTL_MOD, setup_.listeners[i], 1 + i, on);
}

/// Until then, or until a stranger goes.
void Reception::pause_listening(Deadline until) {
  listen(false);
  listen_again_ = until;
}

void Reception::advance(std::uint64_t id) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;  // it has just made room for another one
  Stranger& stranger = found->second;
  switch (stranger.handshake.advance(stranger.socket, setup_.terms)) {
    case OwnerHandshake::State::kHello:
    case OwnerHandshake::State::kProof: return;
    case OwnerHandshake::State::kRefused: return refuse(found, stranger.handshake.complaint());
    case OwnerHandshake::State::kProved: break;
  }
  Stranger proved = std::move(stranger);
  forget(found);
  watch(EPOLL_CTL_DEL, proved.socket, id, false);
  setup_.admit({std::move(proved.socket), proved.handshake.encryption(setup_.terms)}, proved.peer);
}

void Reception::drop_late() {
  while (!strangers_.empty() && strangers_.begin()->second.until.passed())
    refuse(strangers_.begin(),
           fmt::format("it did not prove the key within {} ms", setup_.stranger_time.count()));
}

void Reception::refuse(Strangers::iterator stranger, const std::string& why) {
  const std::string text = fmt::format("tcp: refused {}: {}", stranger->second.peer.text(), why);
  forget(stranger);
  if (++refused_ > kRefusalsLogged) return log::debug(log::Topic::kNetwork, "{}", text);
  log::warn("{}{}", text, refused_ == kRefusalsLogged ? " (further refusals at debug level)" : "");
}

void Reception::forget(Strangers::iterator stranger) {
  strangers_.erase(stranger);
  listen_again_ = Deadline::after(nanoseconds(0));  // there is room again, and a descriptor
}

/// To the next time at which something is due although nobody says anything.
void Reception::set_timer() {
  if (strangers_.empty() && listening_) return;
  auto next = strangers_.empty() ? listen_again_.at() : strangers_.begin()->second.until.at();
  if (!listening_) next = std::min(next, listen_again_.at());
  const auto left = nanoseconds(next - Deadline::Clock::now()).count();
  const long long ns = std::max<long long>(left, 1);  // 0 would mean never
  itimerspec when{};
  when.it_value.tv_sec = ns / 1'000'000'000;
  when.it_value.tv_nsec = ns % 1'000'000'000;
  ::timerfd_settime(timer_.get(), 0, &when, nullptr);
}

}  // namespace sluice::transport::tcp
