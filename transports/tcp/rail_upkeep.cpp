// How OutgoingRails makes its connections, notices that one is dead, and makes it again.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "transports/tcp/outgoing_rails.hpp"

namespace sluice::transport::tcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A rail that is not acknowledged so long is given up if there is another.
constexpr milliseconds kSilence{1000};
constexpr milliseconds kAskAfter{90};
constexpr seconds kJoinTime{5};
constexpr seconds kShortestBackoff{1}, kLongestBackoff{30};

}  // namespace

std::string OutgoingRails::Slot::name() const {
  bootstrap::Address from = pair.from;
  from.port = 0;
  std::string local = from.text();
  local.resize(local.rfind(':'));
  return fmt::format("from {} to {}", local, pair.to.text());
}

Result<std::shared_ptr<OutgoingRails>> OutgoingRails::connect(Setup setup, Deadline deadline) {
  std::shared_ptr<OutgoingRails> made(new OutgoingRails(std::move(setup)));
  std::string attempts;
  Errc code = Errc::kRemoteError;
  for (std::size_t i = 0; i < made->slots_.size(); ++i) {
    Slot& slot = made->slots_[i];
    // A pair that swallows packets must leave time for the others.
    const auto share = (deadline.at() - Clock::now()) / static_cast<long>(made->slots_.size() - i);
    const Proof proof = made->found(slot, Deadline::after(share));
    if (proof.code == Errc::kOk) {
      const Status watched = made->begin_upkeep();
      if (watched.ok()) return made;
      made->leave(Deadline::after({}));
      return watched;
    }
    made->retry_later(slot, proof.complaint);
    code = proof.code;
    attempts += fmt::format("{}{}: {}", attempts.empty() ? "" : "; ", slot.name(), proof.complaint);
  }
  return fail(code, "open: the peer cannot be reached", fmt::format("tcp: opening {}", attempts));
}

/// The first rail, which waits.
Proof OutgoingRails::found(Slot& slot, Deadline deadline) {
  ticket_.opener = random_number();
  int error = 0;
  slot.rail = start_joining(slot, error);
  if (!slot.rail) return {Errc::kRemoteError, std::strerror(error)};
  const bootstrap::Fd& socket = slot.rail->descriptor();
  for (;;) {
    switch (slot.rail->advance_join()) {
      case RailJoin::State::kJoined: ticket_.token = slot.rail->join().token(); return {};
      case RailJoin::State::kFailed: return {Errc::kRemoteError, slot.rail->join().complaint()};
      default: break;
    }
    const short events = slot.rail->wants_to_send() ? POLLOUT : POLLIN;
    if (const int waited = bootstrap::wait_until_ready(socket, events, deadline))
      return {waited == ETIMEDOUT ? Errc::kTimeout : Errc::kRemoteError, std::strerror(waited)};
  }
}

Status OutgoingRails::begin_upkeep() {
  const Lock lock(mutex_);
  SLUICE_TRY_ASSIGN(timer_, Timer::make([weak = weak_from_this()] {
                      const auto rails = weak.lock();
                      return rails && rails->tick();
                    }));
  SLUICE_TRY(setup_.progress->watch(timer_));
  for (Slot& slot : slots_)
    if (slot.rail) SLUICE_TRY(setup_.progress->watch(slot.rail));
  wake_by(Clock::now());  // for the others
  return {};
}

/// Null: `error` says why.
std::shared_ptr<Rail> OutgoingRails::start_joining(Slot& slot, int& error) {
  bootstrap::OpenResult opened =
      bootstrap::start_connecting(slot.pair.to, &slot.pair.from, setup_.congestion_control);
  error = opened.error;
  if (!opened.fd.valid()) return nullptr;
  RailJoin::Ticket ticket = ticket_;
  ticket.rail = static_cast<std::uint64_t>(&slot - slots_.data());
  return std::make_shared<Rail>(std::move(opened.fd), slot.name(), ticket, weak_from_this());
}

void OutgoingRails::join(Slot& slot) {
  int error = 0;
  slot.rail = start_joining(slot, error);
  if (!slot.rail) return retry_later(slot, std::strerror(error));
  if (!setup_.progress->watch(slot.rail).ok()) return retry_later(slot, "it cannot be watched");
  wake_by(Clock::now() + kJoinTime);
}

bool OutgoingRails::go_on_joining(const Lock& lock, Rail& rail) {
  Slot& slot = slot_of(rail);
  switch (rail.advance_join()) {
    case RailJoin::State::kFailed: retry_later(slot, rail.join().complaint()); return false;
    case RailJoin::State::kJoined: break;
    default: return true;
  }
  if (slot.failing) log::info(log::Topic::kNetwork, "tcp: the rail {} works again", rail.name());
  slot.failing = false;
  pump(lock);
  return !failed() && !rail.dropped();
}

void OutgoingRails::retry_later(Slot& slot, const std::string& why) {
  if (slot.rail) slot.rail->hang_up();
  slot.rail.reset();
  slot.backoff = std::clamp<Clock::duration>(2 * slot.backoff, kShortestBackoff, kLongestBackoff);
  slot.next_try = Clock::now() + slot.backoff;
  if (timer_) wake_by(slot.next_try);
  if (std::exchange(slot.failing, true))
    return log::debug(log::Topic::kNetwork, "tcp: no rail {}: {}", slot.name(), why);
  log::warn("tcp: no rail {}: {}; it is tried again from time to time", slot.name(), why);
}

/// The rail is over; what it carried goes over the others.
void OutgoingRails::drop(const Lock& lock, Slot& slot, const std::string& why) {
  const std::shared_ptr<Rail> rail = std::move(slot.rail);
  const std::vector<std::uint64_t> lost = rail->drop();
  for (const std::uint64_t sequence : lost) kept_.give_back(sequence);
  request_lost_ |= rail->asks();
  ++news_;
  changed_.notify_all();
  const auto others = std::count_if(slots_.begin(), slots_.end(),
                                    [](const Slot& other) { return other.carries(); });
  if (others == 0)
    return note_failure(lock, Errc::kRemoteError,
                        fmt::format("the last connection, {}, is lost: {}", rail->name(), why));
  // A peer that has ended, and that nobody sends to any more, is no trouble.
  const auto level = rail->ended() && lost.empty() ? log::Level::kInfo : log::Level::kWarn;
  log::line(level, log::Topic::kNetwork,
            "tcp: the rail {} is lost: {}; {} frames go over {} others", rail->name(), why,
            lost.size(), others);
  slot.failing = true;
  // One that was good for long may come back soon.
  if (Clock::now() - rail->since() > kLongestBackoff) slot.backoff = {};
  retry_later(slot, why);
}

/// What the timer does. False: it is not needed any more.
bool OutgoingRails::tick() {
  const Lock lock(mutex_);
  wakes_at_ = Clock::time_point::max();
  const Clock::time_point now = Clock::now();
  for (Slot& slot : slots_)
    if (!failed()) look_after(lock, slot, now);
  pump(lock);
  return !failed();
}

void OutgoingRails::look_after(const Lock& lock, Slot& slot, Clock::time_point now) {
  if (!slot.rail) return slot.next_try <= now ? join(slot) : wake_by(slot.next_try);
  if (!slot.rail->joined()) {
    const Clock::time_point until = slot.rail->since() + kJoinTime;
    return now < until ? wake_by(until) : retry_later(slot, "it did not join in time");
  }
  if (!slot.rail->has_in_flight() || now - slot.rail->waits_since() < kAskAfter) return;
  // The owner acknowledges small frames late, if nobody asks.
  slot.rail->say({FrameType::kPing, 0, 0, 0, 0});
  const std::string why = why_dead(*slot.rail, now);
  if (why.empty()) return slot.rail->trust();
  // Where the owner goes on after a pause, one rail moves before the other.
  if (slot.rail->doubt()) drop(lock, slot, why);
}

/// Empty: it is not, or there is nothing better.
std::string OutgoingRails::why_dead(const Rail& rail, Clock::time_point now) const {
  if (now - rail.waits_since() < kSilence) return {};
  bool others = false, others_move = false;
  for (const Slot& slot : slots_) {
    if (!slot.carries() || slot.rail.get() == &rail) continue;
    others = true;
    others_move |= slot.rail->last_acknowledged() > rail.waits_since();
  }
  const auto ms = std::chrono::duration_cast<milliseconds>(now - rail.waits_since()).count();
  if (others && rail.is_unheard(kSilence))
    return fmt::format("nothing has come from the other side for {} ms", ms);
  if (others_move)
    return fmt::format("it has acknowledged nothing for {} ms, while others did", ms);
  return {};
}

void OutgoingRails::wake_by(Clock::time_point time) {
  if (time >= wakes_at_) return;
  wakes_at_ = time;
  timer_->set(time - Clock::now());
}

OutgoingRails::Slot& OutgoingRails::slot_of(const Rail& rail) {
  return *std::find_if(slots_.begin(), slots_.end(),
                       [&](const Slot& slot) { return slot.rail.get() == &rail; });
}

}  // namespace sluice::transport::tcp
