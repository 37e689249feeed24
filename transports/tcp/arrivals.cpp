#include "transports/tcp/arrivals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/port.hpp"
#include "transports/tcp/handshake.hpp"

namespace sluice::transport::tcp {
namespace {

// An acknowledgement costs both sides a system call. Large frames get one each where they come
// slowly, and one for what is received in a turn where they come quickly; small ones wait for many,
// or until the opener asks.
constexpr std::uint64_t kAcknowledgedBytes = std::uint64_t{16} << 10;
constexpr std::uint64_t kAcknowledgedFrames = 64;

}  // namespace

Seat::Seat(std::shared_ptr<Arrivals> arrivals, std::size_t rail, std::function<void()> hang_up)
    : arrivals_(std::move(arrivals)), rail_(rail), hang_up_(std::move(hang_up)) {
  Seat*& seat = arrivals_->seats_[rail_];
  if (seat != nullptr) seat->cut_off();
  seat = this;
}

void Seat::say_bye() { arrivals_->opener_has_left_ = true; }
bool Seat::opener_has_left() const { return arrivals_->opener_has_left_; }

void Seat::leave() {
  Seat*& seat = arrivals_->seats_[rail_];
  if (seat == this) seat = nullptr;
}

void Seat::cut_off() {
  cut_ = true;
  leave();
  if (hang_up_) hang_up_();
}

std::size_t Seat::others() const {
  const auto other = [this](const Seat* seat) { return seat != nullptr && seat != this; };
  return static_cast<std::size_t>(
      std::count_if(arrivals_->seats_.begin(), arrivals_->seats_.end(), other));
}

void Seat::cut_off_others() {
  for (Seat* seat : arrivals_->seats_)
    if (seat != nullptr && seat != this) seat->cut_off();
}

std::string Seat::begin(const FrameHeader& header, std::byte*& place) {
  const ArrivalOrder& order = arrivals_->order_;
  if (!order.fits(header.sequence))
    return fmt::format("a {} with number {}, expected at most {}", name(header.type),
                       header.sequence, order.through() + kSequenceWindow);
  if (order.has(header.sequence)) {
    receiving_ = 0;
    place = arrivals_->nowhere();
    return {};
  }
  arrivals_->take_over(*this, header.sequence);
  receiving_ = header.sequence;
  return {};
}

void Seat::end(const FrameHeader& header, std::byte* place) {
  ++frames_;
  ++unacknowledged_frames_;
  unacknowledged_bytes_ += payload_bytes(header);
  if (std::exchange(receiving_, 0) != 0) arrivals_->arrive(header, place);
}

bool Seat::acknowledgement_is_due() const {
  return asked_ || unacknowledged_bytes_ >= kAcknowledgedBytes ||
         unacknowledged_frames_ >= kAcknowledgedFrames;
}

FrameHeader Seat::acknowledge() {
  asked_ = false;
  unacknowledged_bytes_ = unacknowledged_frames_ = 0;
  return {FrameType::kAck, 0, 0, 0, frames_};
}

/// A frame that is sent again was on a rail that the opener has given up. If that rail is still
/// receiving it here, the rest of it would be written after the frame counts as arrived, into
/// memory that may have another meaning by then.
void Arrivals::take_over(const Seat& by, std::uint64_t sequence) {
  for (Seat* seat : seats_)
    if (seat != nullptr && seat != &by && seat->receiving_ == sequence) seat->cut_off();
}

void Arrivals::arrive(const FrameHeader& header, std::byte* place) {
  if (header.type == FrameType::kSignal)
    early_signals_.emplace(header.sequence, EarlySignal{place, header.amount});
  order_.arrive(header.sequence);
  while (!early_signals_.empty() && early_signals_.begin()->first <= order_.through()) {
    const EarlySignal& signal = early_signals_.begin()->second;
    // Pairs with the acquire of whoever waits on the counter: all that the opener put before it was
    // written by this thread, or by one that called ready() before.
    port::add_release(reinterpret_cast<std::uint64_t*>(signal.counter), signal.amount);
    early_signals_.erase(early_signals_.begin());
  }
}

/// Room for the payload of a frame that nobody wants.
std::byte* Arrivals::nowhere() {
  nowhere_.resize(kMaxPayloadBytes);
  return nowhere_.data();
}

Openers::Joined Openers::join(const FrameHeader& join, std::function<void()> hang_up) {
  if (join.amount >= kMaxRails)
    return {{}, 0, fmt::format("a join as rail {}, the limit is {}", join.amount, kMaxRails - 1)};
  std::erase_if(known_, [](const auto& one) { return one.second.expired(); });
  const auto found = known_.find(join.region);
  auto arrivals = found == known_.end() ? nullptr : found->second.lock();
  const bool first = join.sequence == 0;
  if (first != (arrivals == nullptr) || (arrivals && arrivals->token() != join.sequence))
    return {{}, 0, fmt::format("a join to opener {:#x}, which is not its own", join.region)};
  if (first) {
    arrivals = std::make_shared<Arrivals>(random_number());
    known_[join.region] = arrivals;
  }
  const std::uint64_t token = arrivals->token();
  return {std::make_unique<Seat>(std::move(arrivals), join.amount, std::move(hang_up)), token, {}};
}

}  // namespace sluice::transport::tcp
