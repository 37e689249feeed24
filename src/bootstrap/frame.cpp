#include "bootstrap/frame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "bootstrap/little_endian.hpp"
#include "bootstrap/messages.hpp"

namespace sluice::bootstrap {

std::optional<std::size_t> max_payload_bytes(std::uint32_t type) {
  switch (static_cast<FrameType>(type)) {
    case FrameType::kRegister: return kRegistrationBytes;
    case FrameType::kWelcome: return kMaxBlobBytes;
    case FrameType::kGather: return kMaxBlobBytes;
    case FrameType::kRefused:
    case FrameType::kAbort: return kMaxNoticeBytes;
    case FrameType::kJoined: return kMaxJoinedBytes;
    case FrameType::kLeave:
    case FrameType::kLost:
    case FrameType::kWho:
    case FrameType::kGoodbye: return 0;
  }
  return std::nullopt;
}

SharedBytes encode_frame(FrameType type, std::uint32_t rank, std::uint32_t sequence,
                         std::span<const std::byte> payload) {
  auto bytes = std::make_shared<Bytes>(kFrameHeaderBytes);
  bytes->reserve(kFrameHeaderBytes + payload.size());
  store_u32(bytes->data(), static_cast<std::uint32_t>(type));
  store_u32(bytes->data() + 4, rank);
  store_u32(bytes->data() + 8, sequence);
  store_u32(bytes->data() + 12, static_cast<std::uint32_t>(payload.size()));
  bytes->insert(bytes->end(), payload.begin(), payload.end());
  return bytes;
}

bool FrameReader::feed(std::span<const std::byte> bytes) {
  if (!complaint_.empty()) return false;
  while (!bytes.empty()) {
    if (header_bytes_ < kFrameHeaderBytes) {
      const std::size_t taken = std::min(bytes.size(), kFrameHeaderBytes - header_bytes_);
      std::copy_n(bytes.begin(), taken,
                  header_.begin() + static_cast<std::ptrdiff_t>(header_bytes_));
      header_bytes_ += taken;
      bytes = bytes.subspan(taken);
      if (header_bytes_ < kFrameHeaderBytes) return true;
      if (!begin_payload()) return false;
    } else {
      const std::size_t taken = std::min(bytes.size(), payload_bytes_ - current_.payload.size());
      current_.payload.insert(current_.payload.end(), bytes.begin(),
                              bytes.begin() + static_cast<std::ptrdiff_t>(taken));
      bytes = bytes.subspan(taken);
    }
    if (current_.payload.size() == payload_bytes_) finish_frame();
  }
  return true;
}

bool FrameReader::begin_payload() {
  const std::uint32_t type = load_u32(header_.data());
  const std::uint32_t length = load_u32(header_.data() + 12);
  const auto limit = max_payload_bytes(type);
  if (!limit) {
    complaint_ = fmt::format("a frame of unknown type {}", type);
  } else if (only_ && type != static_cast<std::uint32_t>(*only_)) {
    complaint_ =
        fmt::format("a frame of type {} before type {}", type, static_cast<std::uint32_t>(*only_));
  } else if (length > *limit) {
    complaint_ =
        fmt::format("a frame of type {} with {} bytes, the limit is {}", type, length, *limit);
  }
  if (!complaint_.empty()) return false;
  current_.type = static_cast<FrameType>(type);
  current_.rank = load_u32(header_.data() + 4);
  current_.sequence = load_u32(header_.data() + 8);
  payload_bytes_ = length;
  return true;
}

void FrameReader::finish_frame() {
  ready_.push_back(std::exchange(current_, Frame{}));
  header_bytes_ = 0;
  payload_bytes_ = 0;
}

std::optional<Frame> FrameReader::next() {
  if (ready_.empty()) return std::nullopt;
  std::optional<Frame> frame = std::move(ready_.front());
  ready_.pop_front();
  return frame;
}

}  // namespace sluice::bootstrap
