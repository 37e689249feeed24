#include "transports/tcp/two_way_connection.hpp"

#include <fmt/format.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.hpp"

namespace sluice::transport::tcp {
namespace {

// A peer that sends or fetches much does not keep the others waiting.
constexpr int kReceivesPerTurn = 4;
constexpr int kSendsPerTurn = 4;

}  // namespace

/// A caller's turn to write to the socket. What is owed to the peer at its end is left to whoever
/// looks after the socket, who has kept away meanwhile.
class TwoWayConnection::CallersTurn {
 public:
  explicit CallersTurn(TwoWayConnection& of) : of_(of) { of_.send_turn_.lock(); }
  ~CallersTurn() {
    of_.send_turn_.unlock();
    if (of_.owes_.load()) of_.progress_.look_again(of_);
  }
  CallersTurn(const CallersTurn&) = delete;
  CallersTurn& operator=(const CallersTurn&) = delete;

 private:
  TwoWayConnection& of_;
};

void Offers::note(std::uint64_t number, std::weak_ptr<TwoWayConnection> connection) {
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [](const auto& one) { return one.second.expired(); });
  known_[number] = std::move(connection);
}

std::shared_ptr<TwoWayConnection> Offers::find(std::uint64_t number) const {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(number);
  return found == known_.end() ? nullptr : found->second.lock();
}

TwoWayConnection::TwoWayConnection(Wire wire, const bootstrap::Address& peer, Maker maker,
                                   const Setup& setup)
    : Outgoing(peer.text(), setup.timeout),
      address_(peer),
      maker_(maker),
      offers_(setup.offers),
      progress_(setup.progress),
      number_(setup.owner.number),
      wire_(std::move(wire)),
      role_(setup.owner),
      in_use_(maker == Maker::kThisRank) {}

TwoWayConnection::~TwoWayConnection() {
  if (!answers_.empty()) return;
  role_.fill_last(answers_);
  if (!answers_.empty()) answers_.send_some(wire_);
}

/// The peer's number is its own claim. So it must at least come from where the peer is that is to
/// be opened; whether it is that one shows when it is asked to open that one's region.
bool TwoWayConnection::adopt(std::span<const bootstrap::Address> addresses) {
  const auto is_peers = [this](const bootstrap::Address& one) { return one.ip == address_.ip; };
  if (std::none_of(addresses.begin(), addresses.end(), is_peers)) return false;
  const Lock lock(mutex_);
  if (failed() || role_.said_bye()) return false;
  return !std::exchange(in_use_, true);
}

void TwoWayConnection::stop_sending() {
  if (is_forked()) return;
  const Lock lock(mutex_);
  closing_ = true;
  ::shutdown(wire_.socket.get(), SHUT_WR);
}

bool TwoWayConnection::is_delivered() const {
  if (is_forked() || over_.load(std::memory_order_acquire)) return true;
  int unacknowledged = 0;
  return ::ioctl(wire_.socket.get(), SIOCOUTQ, &unacknowledged) != 0 || unacknowledged == 0;
}

void TwoWayConnection::cut() {
  if (!is_forked()) ::shutdown(wire_.socket.get(), SHUT_RDWR);
}

bool TwoWayConnection::ready() {
  {
    const Lock lock(mutex_);
    if (!receive(lock)) {
      over_.store(true, std::memory_order_release);
      return false;
    }
    if (answers() && role_.owes()) owes_.store(true);
  }
  if (owes_.load()) answer_if_free();
  return true;
}

/// False: the connection is over, and all who use it have been told.
bool TwoWayConnection::receive(const Lock& lock) {
  if (role_.cut()) {
    log::debug(log::Topic::kNetwork, "tcp: the connection from {} was cut off, for another rail",
               peer());
    return false;
  }
  bool more = true;
  for (int turn = 0; more && turn < kReceivesPerTurn; ++turn)
    if (!receive_once(lock, more)) return false;
  if (const std::string complaint = role_.join([this] { cut(); }); !complaint.empty())
    return malformed(lock, complaint);
  // The peer has left, and this rank never came or has left, too.
  if (role_.is_over() && (!in_use_ || left_)) return over(lock, {}, "it has left");
  return true;
}

bool TwoWayConnection::receive_once(const Lock& lock, bool& more) {
  // After a failure the memory of a get may be gone.
  if (!reads()) return over(lock, "was lost: " + failure_text(), {});
  const std::byte* const place = reader_.place().data();
  const Received received = receive_some(wire_, reader_);
  const int os_error = errno;
  if (arrives_ && reader_.place().data() != place) role_.note_arrival();
  if (reader_.between_frames()) arrives_ = false;
  more = received == Received::kMore;
  switch (received) {
    case Received::kAll:
    case Received::kMore: break;
    case Received::kClosed:
      return over(lock, how_it_ended(), "it has closed the connection or ended");
    case Received::kFailed: {
      const std::string why = std::strerror(os_error);
      return over(lock, "was lost: " + why, why, os_error);
    }
    case Received::kMalformed: return malformed(lock, reader_.complaint());
  }
  if (request_.done()) changed_.notify_all();
  return true;
}

std::string TwoWayConnection::begin(const FrameHeader& header, std::byte*& place) {
  placed_ = false;
  takes_answer_ = is_answer(header.type);
  if (takes_answer_ && mute_) {
    place = nowhere();
    return {};
  }
  if (takes_answer_) return request_.begin(header, place);
  const bool of_maker = header.type == FrameType::kJoin || header.type == FrameType::kOffer;
  if (of_maker && maker_ == Maker::kThisRank)
    return fmt::format("a frame of type \"{}\", which only sends who has connected",
                       name(header.type));
  arrives_ = true;
  std::string complaint = role_.sink().begin(header, place);
  if (placement_.place == nullptr || header.type != FrameType::kPut || !complaint.empty())
    return complaint;
  std::byte* const named = place;
  place = placement_.place(placement_.context, named, header.amount);
  placed_ = place != named;
  return {};
}

void TwoWayConnection::place_by(Placement placement) {
  const Lock lock(mutex_);
  placement_ = placement;
  if (std::exchange(placed_, false)) reader_.divert(nowhere());
}

void TwoWayConnection::end(const FrameHeader& header) {
  if (std::exchange(takes_answer_, false)) return mute_ ? void() : request_.end(header);
  if (std::exchange(placed_, false)) placement_.come(placement_.context);
  if (header.type == FrameType::kOffer) offers_.note(header.offset, weak_from_this());
  role_.sink().end(header);
  if (header.type == FrameType::kOpen) opened_by_peer_.store(true, std::memory_order_relaxed);
}

std::string TwoWayConnection::how_it_ended() const {
  if (wire_.encryption && !wire_.encryption->in.between_records())
    return "ended in the middle of an encrypted record";
  return reader_.between_frames() ? "ended without a goodbye" : "ended in the middle of a frame";
}

/// Always false. `how`: for those who wait for the peer's puts; `why`: for those who put.
bool TwoWayConnection::over(const Lock& lock, std::string how, std::string why, int os_error) {
  const bool unopened = maker_ == Maker::kThisRank && !role_.opened();
  role_.end(peer(), {std::move(how), false, closing_ || unopened});
  note_failure(lock, Errc::kRemoteError, std::move(why), os_error);
  return false;
}

bool TwoWayConnection::malformed(const Lock& lock, const std::string& complaint) {
  role_.end(peer(), {"was cut off: it sent " + complaint, true, false});
  note_failure(lock, Errc::kRemoteError, "it sent " + complaint);
  cut();  // also where calls had failed or ended before
  return false;
}

/// A caller that has the turn answers before giving it back, or has it done then.
void TwoWayConnection::answer_if_free() {
  const std::unique_lock turn(send_turn_, std::try_to_lock);
  if (!turn.owns_lock()) return;
  if (const int error = answer(kSendsPerTurn)) sending_failed(error);
}

/// Under send_turn_: what the peer is owed, as far as there is room. 0 or an errno.
int TwoWayConnection::answer(int sends) {
  for (; sends > 0; --sends) {
    if (answers_.empty() && !fill_answers()) return 0;
    const int error = answers_.send_some(wire_);
    if (error != 0) return error == EAGAIN ? 0 : error;
  }
  return 0;
}

/// False: nothing is owed.
bool TwoWayConnection::fill_answers() {
  const Lock lock(mutex_);
  if (answers()) role_.fill(answers_);
  if (answers_.empty()) owes_.store(false);
  return !answers_.empty();
}

Status TwoWayConnection::send(PutFrames frames, const Operation& operation) {
  while (!frames.done()) {
    const CallersTurn turn(*this);
    SendBatch batch;
    while (!batch.full() && !frames.done()) {
      const PutFrames::Frame frame = frames.next(++sequence_, kMaxPayloadBytes);
      batch.add(frame.header, frame.payload);
    }
    if (const int error = transmit_in_turn(batch, timeout())) {
      sending_failed(error);
      return report(operation);
    }
  }
  return {};
}

Status TwoWayConnection::send_request(FrameHeader header, std::span<std::byte> out,
                                      std::chrono::nanoseconds patience,
                                      const Operation& operation) {
  const CallersTurn turn(*this);
  SendBatch batch;
  if (sequence_ == 0 && maker_ == Maker::kThisRank)
    batch.add({FrameType::kOffer, ++sequence_, 0, number_, 0}, {});
  header.sequence = ++sequence_;
  {
    const Lock lock(mutex_);
    request_.start(header, out);
  }
  batch.add(header, {});
  if (const int error = transmit_in_turn(batch, patience)) {
    sending_failed(error);
    return report(operation);
  }
  progress_.hand_over();  // the caller waits for the answer now
  return {};
}

bool TwoWayConnection::say_bye(Deadline deadline) {
  const CallersTurn turn(*this);
  SendBatch batch;
  batch.add({FrameType::kBye, ++sequence_, 0, 0, 0}, {});
  const int error = transmit_in_turn(batch, deadline.at() - Deadline::Clock::now());
  if (error != 0)
    log::debug(log::Topic::kNetwork, "tcp: no goodbye to {}: {}", peer(), std::strerror(error));
  return error == 0;
}

/// All of the batch, then of what the peer is owed what there is room for. 0 or an errno.
int TwoWayConnection::transmit_in_turn(SendBatch& batch, std::chrono::nanoseconds patience) {
  int error = transmit(answers_, patience);
  if (error == 0) error = transmit(batch, patience);
  if (error == 0 && owes_.load()) error = answer(1);
  return error;
}

/// Sends all of the batch. 0 or an errno; ETIMEDOUT when nothing moved for `patience`.
int TwoWayConnection::transmit(SendBatch& batch, std::chrono::nanoseconds patience) {
  while (!batch.empty()) {
    int error = batch.send_some(wire_);
    if (error == EAGAIN) error = transmit_and_receive(batch);
    if (error == EAGAIN) {
      progress_.hand_over();
      error = bootstrap::wait_until_ready(wire_.socket, POLLOUT, Deadline::after(patience));
    }
    if (error != 0) return error;
  }
  return 0;
}

/// Two ranks that send each other more than their sockets hold end only if both receive meanwhile.
/// EAGAIN when there was no room for a while.
int TwoWayConnection::transmit_and_receive(SendBatch& batch) {
  int error = EAGAIN;
  for (const Deadline end = Deadline::after(Progress::kPollingTime);
       error == EAGAIN && !failed() && !end.passed();) {
    progress_.poll({});
    sched_yield();  // to the peer, if it shares the core
    error = batch.send_some(wire_);
  }
  return error;
}

void TwoWayConnection::sending_failed(int error) {
  const Lock lock(mutex_);
  if (error == ETIMEDOUT)
    return note_failure(lock, Errc::kTimeout, "it has taken no byte for too long", error);
  if (reads()) fall_silent(lock);
  end_calls(lock, Errc::kRemoteError, std::strerror(error), error);
}

/// The peer may have left: what it sent before is still read. But not into the memory of a get,
/// which returns now.
void TwoWayConnection::fall_silent(const Lock&) {
  if (std::exchange(mute_, true)) return;
  if (takes_answer_) reader_.divert(nowhere());
  owes_.store(false);
  ::shutdown(wire_.socket.get(), SHUT_WR);
}

std::byte* TwoWayConnection::nowhere() {
  nowhere_.resize(kMaxPayloadBytes);
  return nowhere_.data();
}

void TwoWayConnection::hang_up(const Lock&) {
  // Wakes senders that wait for room, and tells the progress thread to let go.
  ::shutdown(wire_.socket.get(), SHUT_RDWR);
}

/// The peer may go on; one that does not use the connection closes it when it hears the goodbye.
void TwoWayConnection::left(const Lock& lock) {
  left_ = true;
  if (role_.is_over()) hang_up(lock);
}

}  // namespace sluice::transport::tcp
