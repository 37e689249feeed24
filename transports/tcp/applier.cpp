#include "transports/tcp/applier.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/port.hpp"

namespace sluice::transport::tcp {

std::string Applier::begin(const FrameHeader& header, std::byte*& place) {
  place_ = nullptr;
  std::string complaint = check(header);
  place = place_;
  return complaint;
}

std::string Applier::check(const FrameHeader& header) {
  if (said_bye_) return fmt::format("a {} after its goodbye", name(header.type));
  if (std::string complaint = check_number(header); !complaint.empty()) return complaint;
  const bool asks = header.type == FrameType::kOpen || header.type == FrameType::kGet;
  if (request_ && (asks || request_->type == FrameType::kJoin))
    return fmt::format("a {} before its last one was answered", name(header.type));
  switch (header.type) {
    case FrameType::kJoin: return check_owner(header);
    case FrameType::kOpen: return check_open(header);
    case FrameType::kPut:
    case FrameType::kGet:
    case FrameType::kSignal:
    case FrameType::kBye:
      if (!opened_) return fmt::format("a {} before an open", name(header.type));
      return header.type == FrameType::kBye ? std::string() : check_place(header);
    case FrameType::kPing:
      return seat_ ? std::string() : "a ping over a connection that has joined no opener";
    case FrameType::kOffer:
      return sequence_ == 1 && !seat_ ? std::string() : "an offer after other frames";
    case FrameType::kOpened:
    case FrameType::kGot:
    case FrameType::kJoined:
    case FrameType::kAck: break;
  }
  return fmt::format("a frame of type \"{}\", which only an owner sends", name(header.type));
}

/// Frames of a connection follow each other; those of rails are put in order by the seat.
std::string Applier::check_number(const FrameHeader& header) {
  if (seat_ && header.type != FrameType::kJoin) return {};
  if (header.type == FrameType::kJoin && sequence_ == 0 && !seat_ && !request_) return {};
  if (header.type == FrameType::kJoin) return "a join after other frames";
  if (header.sequence == ++sequence_) return {};
  return fmt::format("a {} with number {}, expected {}", name(header.type), header.sequence,
                     sequence_);
}

std::string Applier::check_owner(const FrameHeader& header) const {
  if (header.offset == owner_) return {};
  return fmt::format("a{} {} of transport {:#x}, this is {:#x}",
                     header.type == FrameType::kOpen ? "n" : "", name(header.type), header.offset,
                     owner_);
}

std::string Applier::check_open(const FrameHeader& header) const {
  if (std::string complaint = check_owner(header); !complaint.empty()) return complaint;
  const auto window = regions_.find(header.region);
  if (!window) return fmt::format("an open of region {}, which is not published", header.region);
  if (window->bytes != header.amount)
    return fmt::format("an open of region {} with {} bytes, it has {}", header.region,
                       header.amount, window->bytes);
  return {};
}

/// Where a put, a get or a signal goes.
std::string Applier::check_place(const FrameHeader& header) {
  const bool signals = header.type == FrameType::kSignal;
  if (signals && header.offset % sizeof(std::uint64_t) != 0)
    return fmt::format("a signal to offset {}, which is no multiple of 8", header.offset);
  const std::uint64_t bytes = signals ? sizeof(std::uint64_t) : header.amount;
  std::string complaint = check_range(header, bytes, place_);
  if (complaint.empty() && seat_ && is_numbered(header.type))
    complaint = seat_->begin(header, place_);
  return complaint;
}

std::string Applier::join(FrameHeader& answer, std::function<void()> hang_up) {
  answer = *request_;
  Openers::Joined joined = openers_.join(*request_, std::move(hang_up));
  if (!joined.seat) return std::move(joined.complaint);
  request_.reset();
  seat_ = std::move(joined.seat);
  opened_ = true;
  answer.type = FrameType::kJoined;
  answer.sequence = joined.token;
  return {};
}

std::string Applier::check_range(const FrameHeader& header, std::uint64_t bytes,
                                 std::byte*& place) const {
  const auto window = regions_.find(header.region);
  if (!window)
    return fmt::format("a {} in region {}, which is not published", name(header.type),
                       header.region);
  if (!window->contains(header.offset, bytes))
    return fmt::format("a {} of {} bytes at offset {} of region {}, which has {}",
                       name(header.type), bytes, header.offset, header.region, window->bytes);
  place = window->base + header.offset;
  return {};
}

void Applier::end(const FrameHeader& header) {
  if (seat_ && is_numbered(header.type)) return seat_->end(header, place_);
  switch (header.type) {
    case FrameType::kOpen: opened_ = true; [[fallthrough]];
    case FrameType::kJoin:
    case FrameType::kGet: request_ = header; return;
    case FrameType::kSignal:
      // Pairs with the acquire of whoever waits on the counter: all puts of this connection before
      // it were written by this thread.
      return port::add_release(reinterpret_cast<std::uint64_t*>(place_), header.amount);
    case FrameType::kBye:
      said_bye_ = true;
      if (seat_) seat_->say_bye();
      return;
    case FrameType::kPing: return seat_->ask();
    default: return;
  }
}

}  // namespace sluice::transport::tcp
