#include "transports/tcp/owner_role.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/port.hpp"

namespace sluice::transport::tcp {

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

/// Outside of the reader, which would go on with the next frame.
std::string OwnerRole::join(std::function<void()> hang_up) {
  const auto& request = applier_.request();
  if (!request || request->type != FrameType::kJoin) return {};
  FrameHeader answer;
  std::string complaint = applier_.join(answer, std::move(hang_up));
  if (complaint.empty()) joined_ = answer;
  return complaint;
}

bool OwnerRole::owes() const {
  const Seat* const seat = applier_.seat();
  return joined_ || applier_.request() || (seat != nullptr && seat->acknowledgement_is_due());
}

void OwnerRole::fill(SendBatch& batch) {
  if (joined_) batch.add(*std::exchange(joined_, std::nullopt), {});
  if (Seat* seat = applier_.seat(); seat != nullptr && seat->acknowledgement_is_due())
    batch.add(seat->acknowledge(), {});
  if (!applier_.request()) return;
  const FrameHeader asked = *applier_.request();
  if (asked.type == FrameType::kGet) return answer_get(asked, batch);
  FrameHeader answer = asked;
  answer.type = FrameType::kOpened;
  batch.add(answer, {});
  applier_.answered();
}

void OwnerRole::answer_get(const FrameHeader& asked, SendBatch& batch) {
  const auto window = regions_.find(asked.region);
  if (!window) return applier_.answered();  // cannot be: the request was checked
  if (asked.amount == sizeof counter_ && asked.offset % sizeof counter_ == 0) {
    // Whole, and with what its writer did before: who reads a counter acts on it. Pairs with the
    // release of whoever raised it.
    counter_ = port::load_acquire(reinterpret_cast<std::uint64_t*>(window->base + asked.offset));
    batch.add({FrameType::kGot, asked.sequence, asked.region, asked.offset, asked.amount},
              std::as_bytes(std::span(&counter_, 1)));
    return applier_.answered();
  }
  if (!std::exchange(answering_, true)) cut_ = Cut(asked.offset, asked.amount);
  while (!batch.full() && !cut_.done()) {
    const Cut::Piece piece = cut_.next();
    batch.add({FrameType::kGot, asked.sequence, asked.region, piece.offset, piece.bytes},
              {window->base + piece.offset, piece.bytes});
  }
  if (!cut_.done()) return;
  answering_ = false;
  applier_.answered();
}

void OwnerRole::fill_last(SendBatch& batch) {
  Seat* const seat = applier_.seat();
  if (seat != nullptr && !seat->cut() && seat->owes_acknowledgement())
    batch.add(seat->acknowledge(), {});
}

void OwnerRole::end(const std::string& peer, const End& end) {
  if ((applier_.said_bye() || end.expected) && !end.broke_rules)
    return log::debug(log::Topic::kNetwork, "tcp: {} has left", peer);
  std::string text = fmt::format("tcp: the peer at {} {}", peer, end.how);
  if (!applier_.opened()) {
    // Nobody waits for it. One that leaves may have been about to make another connection.
    const auto level = end.broke_rules ? log::Level::kWarn : log::Level::kInfo;
    return log::write(level, text);
  }
  Seat* const seat = applier_.seat();
  if (seat != nullptr && seat->others() > 0 && !end.broke_rules) {
    log::warn("{}; it has {} more connections", text, seat->others());
    return seat->leave();
  }
  // Who breaks the rules on one rail is believed on none.
  if (seat != nullptr) seat->cut_off_others();
  log::warn("{}", text);
  lost_.note(std::move(text));
}

}  // namespace sluice::transport::tcp
