#include "transports/tcp/frame.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bootstrap/little_endian.hpp"

namespace sluice::transport::tcp {

using bootstrap::load_u32;
using bootstrap::load_u64;
using bootstrap::store_u32;
using bootstrap::store_u64;

const char* name(FrameType type) {
  switch (type) {
    case FrameType::kOpen: return "open";
    case FrameType::kPut: return "put";
    case FrameType::kSignal: return "signal";
    case FrameType::kGet: return "get";
    case FrameType::kBye: return "bye";
    case FrameType::kOpened: return "opened";
    case FrameType::kGot: return "got";
    case FrameType::kJoin: return "join";
    case FrameType::kJoined: return "joined";
    case FrameType::kAck: return "ack";
    case FrameType::kPing: return "ping";
    case FrameType::kOffer: return "offer";
  }
  return "unknown";
}

HeaderBytes encode(const FrameHeader& header) {
  HeaderBytes bytes{};
  store_u32(bytes.data(), static_cast<std::uint32_t>(header.type));
  store_u64(bytes.data() + 8, header.sequence);
  store_u64(bytes.data() + 16, header.region);
  store_u64(bytes.data() + 24, header.offset);
  store_u64(bytes.data() + 32, header.amount);
  return bytes;
}

std::string decode(const HeaderBytes& bytes, FrameHeader& header) {
  const std::uint32_t type = load_u32(bytes.data());
  const std::uint32_t zero = load_u32(bytes.data() + 4);
  header = {static_cast<FrameType>(type), load_u64(bytes.data() + 8), load_u64(bytes.data() + 16),
            load_u64(bytes.data() + 24), load_u64(bytes.data() + 32)};
  if (type < static_cast<std::uint32_t>(FrameType::kOpen) ||
      type > static_cast<std::uint32_t>(FrameType::kOffer))
    return fmt::format("a frame of unknown type {}", type);
  if (zero != 0) return fmt::format("a frame with {} in its second word, expected 0", zero);
  if (payload_bytes(header) > kMaxPayloadBytes)
    return fmt::format("a {} frame of {} bytes, the limit is {}", name(header.type), header.amount,
                       kMaxPayloadBytes);
  return {};
}

std::uint64_t payload_bytes(const FrameHeader& header) {
  const bool has_payload = header.type == FrameType::kPut || header.type == FrameType::kGot;
  return has_payload ? header.amount : 0;
}

bool FrameReader::feed(std::span<const std::byte> bytes) {
  while (!bytes.empty() && complaint_.empty()) {
    std::size_t taken = 0;
    if (header_bytes_ < kHeaderBytes) {
      taken = std::min(bytes.size(), kHeaderBytes - header_bytes_);
      std::memcpy(bytes_.data() + header_bytes_, bytes.data(), taken);
      header_bytes_ += taken;
      if (header_bytes_ == kHeaderBytes) begin_frame();
    } else {
      taken = std::min(bytes.size(), place_.size());
      std::memcpy(place_.data(), bytes.data(), taken);
      took(taken);
    }
    bytes = bytes.subspan(taken);
  }
  return complaint_.empty();
}

void FrameReader::took(std::size_t bytes) {
  place_ = place_.subspan(bytes);
  if (place_.empty()) end_frame();
}

void FrameReader::begin_frame() {
  complaint_ = decode(bytes_, header_);
  if (!complaint_.empty()) return;
  std::byte* place = nullptr;
  complaint_ = sink_.begin(header_, place);
  if (!complaint_.empty()) return;
  place_ = std::span(place, payload_bytes(header_));
  if (place_.empty()) end_frame();
}

void FrameReader::end_frame() {
  header_bytes_ = 0;
  sink_.end(header_);
}

namespace {

/// After a system call that has brought nothing.
Received nothing_received(ssize_t received) {
  if (received == 0) return Received::kClosed;
  if (errno == EINTR) return Received::kMore;
  return errno == EAGAIN || errno == EWOULDBLOCK ? Received::kAll : Received::kFailed;
}

/// The reader gets only what has been found authentic, record by record.
Received receive_records(Wire& wire, FrameReader& reader) {
  bootstrap::RecordReader& in = wire.encryption->in;
  const ssize_t received = in.receive(wire.socket);
  if (received <= 0) return nothing_received(received);
  for (auto bytes = in.next(); !bytes.empty(); bytes = in.next())
    if (!reader.feed(bytes)) return Received::kMalformed;
  if (in.complaint().empty()) return Received::kMore;
  reader.reject(in.complaint());
  return Received::kMalformed;
}

/// The first bytes to `first`, the rest to `second`.
ssize_t receive_at(const bootstrap::Fd& socket, std::span<std::byte> first,
                   std::span<std::byte> second) {
  if (first.empty()) return ::recv(socket.get(), second.data(), second.size(), MSG_DONTWAIT);
  std::array<iovec, 2> parts{iovec{first.data(), first.size()},
                             iovec{second.data(), second.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::recvmsg(socket.get(), &message, MSG_DONTWAIT);
}

}  // namespace

Received receive_some(Wire& wire, FrameReader& reader) {
  if (wire.encryption) return receive_records(wire, reader);
  // Room for small frames with their payload: to copy 16 KiB takes less than another system call.
  // Behind a large payload only for two signals and the next header, so that the payload after it,
  // too, goes straight to its place.
  std::array<std::byte, 20 << 10> near;
  const std::span<std::byte> place = reader.place();
  const std::size_t near_bytes = place.size() > near.size() ? 3 * kHeaderBytes : near.size();
  const ssize_t received = receive_at(wire.socket, place, std::span(near).first(near_bytes));
  if (received <= 0) return nothing_received(received);
  const auto bytes = static_cast<std::size_t>(received);
  const std::size_t placed = std::min(bytes, place.size());
  if (placed > 0) reader.took(placed);
  if (!reader.feed(std::span(near).first(bytes - placed))) return Received::kMalformed;
  return bytes < place.size() + near_bytes ? Received::kAll : Received::kMore;
}

}  // namespace sluice::transport::tcp
