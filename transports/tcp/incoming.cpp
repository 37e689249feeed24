#include "transports/tcp/incoming.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/port.hpp"

namespace sluice::transport::tcp {
namespace {

// A peer that sends or fetches much does not keep the others waiting.
constexpr int kReceivesPerTurn = 4;
constexpr int kSendsPerTurn = 4;

}  // namespace

void LostOpener::note(std::string text) {
  const std::lock_guard lock(mutex_);
  if (text_.empty()) text_ = std::move(text);
}

Status LostOpener::status() const {
  const std::lock_guard lock(mutex_);
  if (text_.empty()) return {};
  set_last_error(text_);
  return {Errc::kRemoteError, "a peer that had this rank's memory open was lost"};
}

Incoming::Incoming(Wire wire, std::string peer, const Owner& owner)
    : wire_(std::move(wire)),
      peer_(std::move(peer)),
      regions_(owner.regions),
      lost_(owner.lost),
      applier_(owner.regions, owner.number, owner.openers) {}

Incoming::~Incoming() {
  Seat* const seat = applier_.seat();
  if (seat == nullptr || seat->cut() || !seat->owes_acknowledgement() || !batch_.empty()) return;
  batch_.add(seat->acknowledge(), {});
  batch_.send_some(wire_);
}

bool Incoming::ready() {
  if (applier_.seat() != nullptr && applier_.seat()->cut()) {
    log::debug("tcp: the connection from {} was cut off, for another rail", peer_);
    return false;
  }
  return receive() && send_answers();
}

bool Incoming::wants_to_send() const { return !batch_.empty() || applier_.request().has_value(); }

bool Incoming::receive() {
  for (int turn = 0; turn < kReceivesPerTurn; ++turn) {
    const std::byte* const place = reader_.place().data();
    const Received received = receive_some(wire_, reader_);
    if (reader_.place().data() != place) regions_.note_arrival();
    switch (received) {
      case Received::kMore: break;
      case Received::kAll: return true;
      case Received::kClosed: return gone(how_it_ended());
      case Received::kFailed: return gone(fmt::format("was lost: {}", std::strerror(errno)));
      case Received::kMalformed: return gone("was cut off: it sent " + reader_.complaint());
    }
  }
  return true;
}

const char* Incoming::how_it_ended() const {
  if (wire_.encryption && !wire_.encryption->in.between_records())
    return "ended in the middle of an encrypted record";
  return reader_.between_frames() ? "ended without a goodbye" : "ended in the middle of a frame";
}

bool Incoming::send_answers() {
  if (const auto& request = applier_.request(); request && request->type == FrameType::kJoin)
    if (const std::string complaint = join(); !complaint.empty())
      return gone("was cut off: it sent " + complaint);
  for (int turn = 0; turn < kSendsPerTurn; ++turn) {
    if (batch_.empty()) fill_batch();
    if (batch_.empty()) return true;
    const int error = batch_.send_some(wire_);
    if (error == EAGAIN) return true;
    if (error != 0) return gone(fmt::format("was lost: {}", std::strerror(error)));
  }
  return true;
}

/// Outside of the reader, which would go on with the next frame.
std::string Incoming::join() {
  FrameHeader answer;
  std::string complaint =
      applier_.join(answer, [this] { ::shutdown(wire_.socket.get(), SHUT_RDWR); });
  refused_ = !complaint.empty();
  if (!refused_) batch_.add(answer, {});
  return complaint;
}

void Incoming::fill_batch() {
  if (Seat* seat = applier_.seat(); seat != nullptr && seat->acknowledgement_is_due())
    batch_.add(seat->acknowledge(), {});
  if (!applier_.request()) return;
  const FrameHeader asked = *applier_.request();
  if (asked.type == FrameType::kOpen) {
    FrameHeader answer = asked;
    answer.type = FrameType::kOpened;
    batch_.add(answer, {});
    return applier_.answered();
  }
  const auto window = regions_.find(asked.region);
  if (!window) return applier_.answered();  // cannot be: the request was checked
  if (asked.amount == sizeof counter_ && asked.offset % sizeof counter_ == 0) {
    // Whole, and with what its writer did before: who reads a counter acts on it. Pairs with the
    // release of whoever raised it.
    counter_ = port::load_acquire(reinterpret_cast<std::uint64_t*>(window->base + asked.offset));
    batch_.add({FrameType::kGot, asked.sequence, asked.region, asked.offset, asked.amount},
               std::as_bytes(std::span(&counter_, 1)));
    return applier_.answered();
  }
  if (!std::exchange(answering_, true)) cut_ = Cut(asked.offset, asked.amount);
  while (!batch_.full() && !cut_.done()) {
    const Cut::Piece piece = cut_.next();
    batch_.add({FrameType::kGot, asked.sequence, asked.region, piece.offset, piece.bytes},
               {window->base + piece.offset, piece.bytes});
  }
  if (!cut_.done()) return;
  answering_ = false;
  applier_.answered();
}

/// Always false: the connection is over.
bool Incoming::gone(const std::string& how) {
  if (applier_.said_bye() && !broke_rules()) {
    log::debug("tcp: {} has left", peer_);
    return false;
  }
  std::string text = fmt::format("tcp: the peer at {} {}", peer_, how);
  if (!applier_.opened()) {
    // Nobody waits for it. One that leaves may have been about to make another connection.
    log::logger().log(broke_rules() ? spdlog::level::warn : spdlog::level::info, "{}", text);
    return false;
  }
  Seat* const seat = applier_.seat();
  if (seat != nullptr && seat->others() > 0 && !broke_rules()) {
    log::warn("{}; it has {} more connections", text, seat->others());
    seat->leave();
    return false;
  }
  // Who breaks the rules on one rail is believed on none.
  if (seat != nullptr) seat->cut_off_others();
  log::warn("{}", text);
  lost_.note(std::move(text));
  return false;
}

}  // namespace sluice::transport::tcp
