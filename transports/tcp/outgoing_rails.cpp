#include "transports/tcp/outgoing_rails.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "transports/tcp/blob.hpp"

namespace sluice::transport::tcp {
namespace {

// A call that copies much lets the rails have it meanwhile.
constexpr std::uint64_t kPumpedBytes = 4 * kStripeBytes;
// How often those are looked at that have something on its way.
constexpr std::chrono::milliseconds kTick{100};

std::string addresses_of(std::span<const NicPair> pairs) {
  std::string text;
  for (const NicPair& pair : pairs) text += (text.empty() ? "" : ", ") + pair.to.text();
  return text;
}

}  // namespace

OutgoingRails::OutgoingRails(Setup setup)
    : Outgoing(addresses_of(setup.pairs), setup.timeout), setup_(std::move(setup)) {
  ticket_.terms = setup_.terms;
  ticket_.owner = setup_.owner;
  for (const NicPair& pair : setup_.pairs) slots_.emplace_back().pair = pair;
}

std::size_t OutgoingRails::connections() {
  const Lock lock(mutex_);
  if (failed()) return 0;
  return static_cast<std::size_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.carries(); }));
}

Status OutgoingRails::send(PutFrames frames, const Operation& operation) {
  {
    const Lock lock(mutex_);
    coming_bytes_ += frames.bytes();
  }
  while (!frames.done()) {
    const std::lock_guard turn(send_turn_);
    Lock lock(mutex_);
    for (std::uint64_t taken = 0; taken < SendBatch::kFullBytes && !frames.done();) {
      SLUICE_TRY(wait_for_room(lock, operation));
      const PutFrames::Frame frame = frames.next(++sequence_, kStripeBytes);
      kept_.add(frame.header, frame.payload);
      // Little on a rail that then stays idle is acknowledged late, and in the end all wait for it.
      if (sequence_ - kept_.oldest() == kSequenceWindow / 2)
        ask_for_acknowledgements(kept_.oldest());
      coming_bytes_ -= frame.payload.size();
      taken += kHeaderBytes + frame.payload.size();
      if (kept_.queued_bytes() >= kPumpedBytes) pump(lock);
    }
    pump(lock);
    if (!failed()) continue;
    lock.unlock();
    return report(operation);
  }
  return {};
}

Status OutgoingRails::wait_for_room(Lock& lock, const Operation& operation) {
  const auto has_room = [this] { return kept_.has_room(sequence_ + 1, kStripeBytes); };
  if (!has_room()) {
    ask_for_acknowledgements(kept_.oldest());
    pump(lock);
  }
  for (const Deadline end = Deadline::after(Progress::kPollingTime);
       !failed() && !has_room() && !end.passed();) {
    lock.unlock();
    setup_.progress->poll({});
    lock.lock();
  }
  while (!failed() && !has_room())
    if (!wait_for_news(lock, Deadline::after(timeout())))
      return nothing_moved(lock, timeout(), "room: it has acknowledged nothing", operation);
  if (!failed()) return {};
  lock.unlock();
  return report(operation);
}

/// False: the deadline has passed without any.
bool OutgoingRails::wait_for_news(Lock& lock, Deadline deadline) {
  setup_.progress->hand_over();
  return changed_.wait_until(lock, deadline.at(),
                             [this, before = news_] { return failed() || news_ != before; });
}

Status OutgoingRails::send_request(FrameHeader header, std::span<std::byte> out,
                                   std::chrono::nanoseconds patience, const Operation& operation) {
  Lock lock(mutex_);
  pump(lock);
  // A request is not numbered: it is answered at once, so all before it must be there.
  Rail* way = nullptr;
  const std::uint64_t after = sequence_;
  while (!failed() && (way = way_for_request(after)) == nullptr) {
    ask_for_acknowledgements(after);
    pump(lock);
    if (!wait_for_news(lock, Deadline::after(patience)))
      return nothing_moved(lock, patience, "what was sent before to be acknowledged", operation);
  }
  if (failed()) {
    lock.unlock();
    return report(operation);
  }
  header.sequence = ++requests_;
  request_.start(header, out);
  request_lost_ = false;
  way->ask(header, request_);
  pump(lock);
  setup_.progress->hand_over();  // the caller waits for the answer now
  return {};
}

/// A rail that has nothing beside it: the only one that carries frames up to this number, or the
/// quickest if none does. Null: more than one does, or some frame waits.
Rail* OutgoingRails::way_for_request(std::uint64_t after) {
  if (const auto* next = kept_.next(); next != nullptr && next->header.sequence <= after)
    return nullptr;
  Rail* carrier = nullptr;
  Rail* quickest = nullptr;
  for (const Slot& slot : slots_) {
    if (!slot.carries()) continue;
    if (!quickest || slot.rail->load().latency_s < quickest->load().latency_s)
      quickest = slot.rail.get();
    if (!slot.rail->carries_up_to(after)) continue;
    if (carrier != nullptr) return nullptr;
    carrier = slot.rail.get();
  }
  return carrier != nullptr ? carrier : quickest;
}

void OutgoingRails::ask_for_acknowledgements(std::uint64_t up_to) {
  for (const Slot& slot : slots_)
    if (slot.carries() && slot.rail->carries_up_to(up_to))
      slot.rail->say({FrameType::kPing, 0, 0, 0, 0});
}

bool OutgoingRails::say_bye(Deadline deadline) {
  Lock lock(mutex_);
  pump(lock);
  while (!failed() && !kept_.empty()) {
    ask_for_acknowledgements(sequence_);
    pump(lock);
    if (wait_for_news(lock, deadline)) continue;
    log::debug(log::Topic::kNetwork, "tcp: no goodbye to {}: it has not acknowledged everything",
               peer());
    return false;
  }
  for (const Slot& slot : slots_)
    if (slot.carries()) slot.rail->say({FrameType::kBye, 0, 0, 0, 0});
  pump(lock);
  return true;
}

void OutgoingRails::hang_up(const Lock&) {
  for (const Slot& slot : slots_)
    if (slot.rail) slot.rail->hang_up();
  if (timer_) timer_->set(std::chrono::nanoseconds(0));  // it finds that this is over
}

/// Sends whatever can be sent now.
void OutgoingRails::pump(const Lock& lock) {
  while (!failed() && (hand_out() | send_out(lock))) {
  }
  const auto waits = [](const Slot& slot) { return slot.carries() && slot.rail->has_in_flight(); };
  if (!failed() && std::any_of(slots_.begin(), slots_.end(), waits)) wake_by(Clock::now() + kTick);
}

/// Gives queued frames to rails. Whether any went.
bool OutgoingRails::hand_out() {
  const Clock::time_point now = Clock::now();
  bool any = false;
  while (const Unacknowledged::Kept* frame = kept_.next()) {
    std::array<RailLoad, kMaxRails> loads{};
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].carries()) loads[i] = slots_[i].rail->load();
    const auto chosen = choose_rail(std::span(loads).first(slots_.size()), frame->bytes(),
                                    kept_.queued_bytes() + coming_bytes_);
    if (!chosen) break;
    slots_[*chosen].rail->give(kept_.take(), now);
    any = true;
  }
  return any;
}

/// Sends what rails have been given. Whether that may have made room for more.
bool OutgoingRails::send_out(const Lock& lock) {
  bool again = false;
  for (Slot& slot : slots_) {
    if (!slot.carries() || !slot.rail->has_to_send()) continue;
    const bool waited = slot.rail->wants_to_send();
    if (const int error = slot.rail->send()) {
      drop(lock, slot, std::strerror(error));
      again = true;
    } else if (slot.rail->wants_to_send()) {
      if (!waited) setup_.progress->look_again(*slot.rail);
    } else {
      again = true;
    }
  }
  return again;
}

bool OutgoingRails::serve(Rail& rail) {
  const Lock lock(mutex_);
  if (failed() || rail.dropped()) return false;
  if (!rail.joined()) return go_on_joining(lock, rail);
  const std::string end = rail.receive();
  for (const std::uint64_t sequence : rail.acknowledged()) kept_.release(sequence);
  if (!rail.acknowledged().empty()) ++news_;
  rail.acknowledged().clear();
  if (!end.empty()) drop(lock, slot_of(rail), end);
  pump(lock);
  changed_.notify_all();
  return !failed() && !rail.dropped();
}

}  // namespace sluice::transport::tcp
