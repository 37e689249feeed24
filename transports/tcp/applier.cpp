#include "transports/tcp/applier.hpp"

#include <fmt/format.h>

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
  if (header.sequence != ++sequence_)
    return fmt::format("a {} with number {}, expected {}", name(header.type), header.sequence,
                       sequence_);
  const bool asks = header.type == FrameType::kOpen || header.type == FrameType::kGet;
  if (asks && request_)
    return fmt::format("a {} before its last one was answered", name(header.type));
  if (header.type != FrameType::kOpen && !opened_)
    return fmt::format("a {} before an open", name(header.type));
  switch (header.type) {
    case FrameType::kOpen: return check_open(header);
    case FrameType::kPut:
    case FrameType::kGet: return check_range(header, header.amount, place_);
    case FrameType::kSignal:
      if (header.offset % sizeof(std::uint64_t) != 0)
        return fmt::format("a signal to offset {}, which is no multiple of 8", header.offset);
      return check_range(header, sizeof(std::uint64_t), place_);
    case FrameType::kBye: return {};
    case FrameType::kOpened:
    case FrameType::kGot: break;
  }
  return fmt::format("a frame of type \"{}\", which only an owner sends", name(header.type));
}

std::string Applier::check_open(const FrameHeader& header) {
  if (header.offset != owner_)
    return fmt::format("an open of transport {:#x}, this is {:#x}", header.offset, owner_);
  const auto window = regions_.find(header.region);
  if (!window) return fmt::format("an open of region {}, which is not published", header.region);
  if (window->bytes != header.amount)
    return fmt::format("an open of region {} with {} bytes, it has {}", header.region,
                       header.amount, window->bytes);
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
  switch (header.type) {
    case FrameType::kOpen: opened_ = true; [[fallthrough]];
    case FrameType::kGet: request_ = header; return;
    case FrameType::kSignal:
      // Pairs with the acquire of whoever waits on the counter: all puts of this connection before
      // it were written by this thread.
      return port::add_release(reinterpret_cast<std::uint64_t*>(place_), header.amount);
    case FrameType::kBye: said_bye_ = true; return;
    default: return;
  }
}

}  // namespace sluice::transport::tcp
