#include "transports/tcp/request.hpp"

#include <fmt/format.h>

namespace sluice::transport::tcp {

void Request::start(const FrameHeader& asked, std::span<std::byte> out) {
  asked_ = asked;
  out_ = out;
  received_bytes_ = 0;
  waiting_ = true;
  done_ = false;
}

std::string Request::begin(const FrameHeader& header, std::byte*& place) {
  const FrameType answer = asked_.type == FrameType::kOpen ? FrameType::kOpened : FrameType::kGot;
  if (!waiting_ || done_ || header.type != answer)
    return fmt::format("a frame of type \"{}\" that nobody asked for", name(header.type));
  if (header.sequence != asked_.sequence || header.region != asked_.region)
    return fmt::format("an answer to number {} in region {}, expected {} in region {}",
                       header.sequence, header.region, asked_.sequence, asked_.region);
  if (header.offset != asked_.offset + received_bytes_)
    return fmt::format("an answer for offset {}, expected {}", header.offset,
                       asked_.offset + received_bytes_);
  if (answer == FrameType::kOpened) {
    if (header.amount != asked_.amount)
      return fmt::format("a region of {} bytes, expected {}", header.amount, asked_.amount);
    return {};
  }
  if (header.amount == 0 || header.amount > out_.size() - received_bytes_)
    return fmt::format("an answer of {} bytes, expected 1 to {}", header.amount,
                       out_.size() - received_bytes_);
  place = out_.data() + received_bytes_;
  return {};
}

void Request::end(const FrameHeader& header) {
  if (header.type == FrameType::kGot) received_bytes_ += header.amount;
  done_ = header.type == FrameType::kOpened || received_bytes_ == out_.size();
}

}  // namespace sluice::transport::tcp
