#include "transports/tcp/rail.hpp"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transports/tcp/outgoing_rails.hpp"

namespace sluice::transport::tcp {
namespace {

constexpr int kReceivesPerTurn = 4;  // then the next connection's turn

}  // namespace

Rail::Rail(bootstrap::Fd socket, std::string name, const RailJoin::Ticket& ticket,
           std::weak_ptr<OutgoingRails> rails)
    : wire_{std::move(socket)}, name_(std::move(name)), rails_(std::move(rails)), join_(ticket) {}

bool Rail::ready() {
  const auto rails = rails_.lock();
  return rails && rails->serve(*this);
}

RailJoin::State Rail::advance_join() {
  const RailJoin::State state = join_.advance(wire_);
  waits_for_room_.store(state == RailJoin::State::kConnecting, std::memory_order_release);
  if (state != RailJoin::State::kJoined) return state;
  since_ = last_acknowledged_ = Clock::now();
  rate_ = RailRate(join_.round_trip());
  return state;
}

RailLoad Rail::load() const {
  return {!full_ && !outbox_.full() && words_.empty(), rate_.bytes_per_s(), rate_.latency_s(),
          in_flight_bytes_};
}

void Rail::give(const Unacknowledged::Kept& frame, Clock::time_point now) {
  const RailRate::Departure departure = rate_.depart(in_flight_bytes_, now);
  outbox_.add(frame.header, frame.span());
  given_bytes_ += kHeaderBytes + frame.bytes();
  in_flight_.push_back({frame.header.sequence, frame.bytes(), given_bytes_, departure});
  in_flight_bytes_ += frame.bytes();
}

void Rail::say(const FrameHeader& header) { words_.push_back(header); }

void Rail::ask(const FrameHeader& asked, Request& request) {
  request_ = &request;
  say(asked);
}

int Rail::send() {
  for (;;) {
    for (; !words_.empty() && !outbox_.full(); words_.erase(words_.begin())) {
      outbox_.add(words_.front(), {});
      given_bytes_ += kHeaderBytes;
    }
    if (outbox_.empty()) break;
    const int error = outbox_.send_some(wire_);
    full_ = error == EAGAIN;
    if (error != 0 && !full_) return error;
    if (full_) break;
  }
  waits_for_room_.store(full_, std::memory_order_release);
  return 0;
}

std::string Rail::receive() {
  for (int turn = 0; turn < kReceivesPerTurn; ++turn) {
    switch (receive_some(wire_, reader_)) {
      case Received::kMore: break;
      case Received::kAll: return {};
      case Received::kClosed: ended_ = true; return "the peer has closed it or ended";
      case Received::kFailed: return std::strerror(errno);
      case Received::kMalformed: return "it brought " + reader_.complaint();
    }
  }
  return {};
}

std::string Rail::begin(const FrameHeader& header, std::byte*& place) {
  if (header.type != FrameType::kAck) {
    if (request_ != nullptr) return request_->begin(header, place);
    return fmt::format("a frame of type \"{}\" that nobody asked for", tcp::name(header.type));
  }
  const std::uint64_t most = acknowledged_frames_ + in_flight_.size();
  if (header.amount < acknowledged_frames_ || header.amount > most)
    return fmt::format("an acknowledgement of {} frames, expected {} to {}", header.amount,
                       acknowledged_frames_, most);
  const std::uint64_t news = header.amount - acknowledged_frames_;
  if (news > 0 && in_flight_[news - 1].end > sent_bytes())
    return fmt::format("an acknowledgement of {} frames, of which the last is not sent",
                       header.amount);
  return {};
}

void Rail::end(const FrameHeader& header) {
  if (header.type != FrameType::kAck) {
    request_->end(header);
    if (request_->done()) request_ = nullptr;
    return;
  }
  const Clock::time_point now = Clock::now();
  if (header.amount > acknowledged_frames_) last_acknowledged_ = now;
  for (; acknowledged_frames_ < header.amount; ++acknowledged_frames_) {
    const InFlight& frame = in_flight_.front();
    rate_.delivered(frame.departure, frame.bytes, now);
    in_flight_bytes_ -= frame.bytes;
    acknowledged_.push_back(frame.sequence);
    in_flight_.pop_front();
  }
}

bool Rail::carries_up_to(std::uint64_t sequence) const {
  return std::any_of(in_flight_.begin(), in_flight_.end(),
                     [&](const InFlight& frame) { return frame.sequence <= sequence; });
}

Rail::Clock::time_point Rail::waits_since() const {
  return std::max(in_flight_.front().departure.at, last_acknowledged_);
}

bool Rail::is_unheard(std::chrono::milliseconds time) const {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(wire_.socket.get(), IPPROTO_TCP, TCP_INFO, &info, &length) != 0) return false;
  return info.tcpi_unacked > 0 && info.tcpi_last_ack_recv >= time.count();
}

std::vector<std::uint64_t> Rail::drop() {
  // What is still queued here would arrive after it was sent again: late, and for nothing.
  const linger reset{1, 0};
  static_cast<void>(::setsockopt(wire_.socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
  hang_up();
  std::vector<std::uint64_t> lost;
  for (const InFlight& frame : in_flight_) lost.push_back(frame.sequence);
  in_flight_.clear();
  in_flight_bytes_ = 0;
  return lost;
}

void Rail::hang_up() {
  dropped_ = true;
  ::shutdown(wire_.socket.get(), SHUT_RDWR);
}

}  // namespace sluice::transport::tcp
