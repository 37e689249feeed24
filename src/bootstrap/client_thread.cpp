// The thread of a Client: moves frames, watches the processes of this host, delivers events.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.hpp"
#include "bootstrap/client.hpp"

namespace sluice::bootstrap {

void Client::run() {
  while (step()) {
  }
}

bool Client::step() {
  take_outbox();
  if (connected_) receive();
  for (const int rank : peer_watch_.due()) lost(rank, "its process ended without leaving the job");
  deliver_events();
  {
    const Lock lock(mutex_);
    if (leaving_ && (!connected_ || leave_by_.passed())) return false;
  }
  poll_once();
  return true;
}

void Client::poll_once() {
  int wait = -1;
  {
    const Lock lock(mutex_);
    if (!outbox_.empty() || (on_event_ && next_event_ < events_.size())) return;
    wait = milliseconds_to_wait(lock);
  }
  polled_.clear();
  polled_.push_back({wake_.get(), POLLIN, 0});
  const short events = stream_.has_outgoing() ? POLLIN | POLLOUT : POLLIN;
  polled_.push_back({connected_ ? stream_.socket().get() : -1, events, 0});
  peer_watch_.append_to(polled_);
  if (::poll(polled_.data(), polled_.size(), wait) <= 0) return;
  if (polled_[0].revents != 0) clear_wake_event(wake_);
  peer_watch_.note(std::span(polled_).subspan(2));
}

int Client::milliseconds_to_wait(const Lock&) const {
  const int watch_wait = peer_watch_.milliseconds_to_wait();
  if (!leaving_) return watch_wait;
  const int leave_wait = leave_by_.milliseconds_left();
  return watch_wait < 0 ? leave_wait : std::min(watch_wait, leave_wait);
}

void Client::take_outbox() {
  {
    const Lock lock(mutex_);
    for (SharedBytes& bytes : outbox_) stream_.queue(std::move(bytes));
    outbox_.clear();
  }
  if (!connected_) return;
  // What the server said before it went may still be there to be read; receive() then finds the
  // end.
  if (const int error = stream_.flush())
    log::debug(log::Topic::kBootstrap, "rank {}: sending to the server: {}", rank_,
               std::strerror(error));
}

void Client::receive() {
  const auto received = stream_.receive();
  const int os_error = errno;
  while (connected_) {
    auto frame = stream_.reader().next();
    if (!frame) break;
    handle(std::move(*frame));
  }
  if (!connected_) return;
  switch (received) {
    case FrameStream::Received::kOk: return;
    case FrameStream::Received::kClosed: return server_vanished("closed without a goodbye");
    case FrameStream::Received::kFailed: return server_vanished(std::strerror(os_error));
    case FrameStream::Received::kMalformed:
      return server_vanished("sent " + stream_.reader().complaint());
  }
}

void Client::handle(Frame frame) {
  if (frame.rank >= processes_.size()) {
    return server_vanished(fmt::format("named rank {} of {}", frame.rank, processes_.size()));
  }
  const int rank = static_cast<int>(frame.rank);
  switch (frame.type) {
    case FrameType::kGather: return take_blob(rank, std::move(frame));
    case FrameType::kAbort: return take_abort(rank, frame);
    case FrameType::kLeave: return peer_left(rank);
    case FrameType::kLost: return lost(rank, "its connection closed without its having left");
    case FrameType::kGoodbye: return server_said_goodbye();
    case FrameType::kRefused: return server_refuses(frame);
    case FrameType::kJoined:
      return;  // the answer to a question of join(), come together with the welcome
    default:
      return server_vanished(
          fmt::format("sent a frame of type {}", static_cast<std::uint32_t>(frame.type)));
  }
}

void Client::take_blob(int rank, Frame frame) {
  const auto from = static_cast<std::size_t>(rank);
  {
    const Lock lock(mutex_);
    // A rank can be one all-gather ahead of us, never two: it needs our blob for that.
    const bool expected = frame.sequence - sequence_ <= 1 && !round(frame.sequence).arrived[from];
    if (expected) {
      Round& current = round(frame.sequence);
      current.blobs[from] = std::move(frame.payload);
      current.arrived[from] = true;
      if (--current.missing == 0) changed_.notify_all();
      return;
    }
    if (broken_.code != Errc::kOk) return;  // we gave up, others go on
  }
  server_vanished(
      fmt::format("sent all-gather {} of rank {} at the wrong time", frame.sequence, rank));
}

void Client::take_abort(int rank, const Frame& frame) {
  const auto notice = decode_notice(frame.payload);
  if (!notice) return server_vanished("sent a malformed abort");
  const Lock lock(mutex_);
  std::string text = fmt::format("{} aborted: {}", name_of(rank), notice->text);
  break_with(Errc::kAborted, text);
  add_event({Event::Kind::kAbort, rank, notice->code, std::move(text)});
}

void Client::peer_left(int rank) {
  peer_watch_.forget(rank);
  const Lock lock(mutex_);
  auto& state = peers_[static_cast<std::size_t>(rank)];
  if (state == PeerState::kPresent) state = PeerState::kLeft;
  changed_.notify_all();
}

void Client::lost(int rank, const std::string& why) {
  peer_watch_.forget(rank);
  const Lock lock(mutex_);
  auto& state = peers_[static_cast<std::size_t>(rank)];
  if (state != PeerState::kPresent || rank == rank_) return;
  state = PeerState::kLost;
  losses_[static_cast<std::size_t>(rank)] = why;
  add_event({Event::Kind::kLost, rank, Errc::kRemoteError,
             fmt::format("{} was lost: {}", name_of(rank), why)});
  changed_.notify_all();
}

void Client::server_said_goodbye() {
  connected_ = false;
  // From here nobody could tell us that a process ends because its rank has left: its end is no
  // news any more.
  peer_watch_.stop();
  const Lock lock(mutex_);
  online_ = false;
  if (!leaving_)
    log::info(log::Topic::kBootstrap,
              "rank {}: the rendezvous at {} ended; peers are no longer watched", rank_,
              server_address_);
  break_with(Errc::kRemoteError,
             fmt::format("rank {}: the process that served the rendezvous at {} has ended", rank_,
                         server_address_));
}

void Client::server_refuses(const Frame& frame) {
  connected_ = false;
  const auto notice = decode_notice(frame.payload);
  const Lock lock(mutex_);
  online_ = false;
  std::string text = fmt::format("rank {}: the rendezvous at {} broke off: {}", rank_,
                                 server_address_, notice ? notice->text : "no reason given");
  log::error("{}", text);
  break_with(Errc::kRemoteError, std::move(text));
}

void Client::server_vanished(const std::string& why) {
  connected_ = false;
  // If it is there after all, it can tell the others at once that this rank hears no more.
  ::shutdown(stream_.socket().get(), SHUT_RDWR);
  {
    const Lock lock(mutex_);
    online_ = false;
    if (leaving_) return;
  }
  bool lost_a_rank = false;
  for (std::size_t rank = 0; rank < processes_.size(); ++rank) {
    if (!processes_[rank].same_process(server_process_)) continue;
    lost(static_cast<int>(rank),
         fmt::format("its process served the rendezvous at {}, and the connection {}",
                     server_address_, why));
    const Lock lock(mutex_);
    lost_a_rank |= peers_[rank] == PeerState::kLost;
  }
  if (!lost_a_rank) {
    // Its ranks had left, or the id's maker was no rank and owes us nothing after the join: nobody
    // is lost, and as after a goodbye, nobody could tell us any more that another rank leaves.
    peer_watch_.stop();
    log::warn("rank {}: the connection to the rendezvous at {} {}; peers are no longer watched",
              rank_, server_address_, why);
  }
  const Lock lock(mutex_);
  break_with(Errc::kRemoteError, fmt::format("rank {}: the connection to the rendezvous at {} {}",
                                             rank_, server_address_, why));
}

void Client::deliver_events() {
  Lock lock(mutex_);
  while (on_event_ && next_event_ < events_.size()) {
    const auto on_event = on_event_;
    const Event event = events_[next_event_++];
    delivering_ = true;
    lock.unlock();
    try {
      (*on_event)(event);
    } catch (const std::exception& error) {
      log::error("rank {}: a watcher threw: {}", rank_, error.what());
    }
    lock.lock();
    delivering_ = false;
    changed_.notify_all();
  }
}

}  // namespace sluice::bootstrap
