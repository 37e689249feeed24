// What travels over an authenticated connection: typed, length-limited frames.
//
// Sixteen bytes of header, little-endian: type, rank, sequence, payload length (u32 each); then the
// payload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sluice::bootstrap {

using Bytes = std::vector<std::byte>;
/// An encoded frame; shared, because the server relays one blob to every rank.
using SharedBytes = std::shared_ptr<const Bytes>;

inline constexpr std::size_t kMaxBlobBytes = std::size_t{16} << 20;
inline constexpr std::size_t kFrameHeaderBytes = 16;

enum class FrameType : std::uint32_t {
  kRegister = 1,  // client: I am `rank`; payload Registration
  kWelcome = 2,   // server: all have joined; payload Welcome
  kRefused = 3,   // server: you cannot take part, and why; payload Notice
  kGather = 4,    // both: `rank`'s blob of the all-gather number `sequence`
  kAbort = 5,     // both: `rank` aborts; payload Notice
  kLeave = 6,     // client: I leave; server: `rank` has left cleanly
  kLost = 7,      // server: `rank` is gone without having left
  kWho = 8,       // client: who has joined so far?
  kJoined = 9,    // server: the answer; payload JoinedReport
  kGoodbye = 10,  // server: the rendezvous ends, nobody was lost
};

struct Frame {
  FrameType type{};
  std::uint32_t rank = 0;
  std::uint32_t sequence = 0;
  Bytes payload;
};

/// The most payload that a frame of this type may have; nothing for an unknown type.
std::optional<std::size_t> max_payload_bytes(std::uint32_t type);

SharedBytes encode_frame(FrameType type, std::uint32_t rank, std::uint32_t sequence,
                         std::span<const std::byte> payload);

/// Cuts a stream of bytes into frames. Believes nothing: memory grows with the bytes that arrived,
/// never with the length that a header claims.
class FrameReader {
 public:
  /// Until lifted (nullopt), any other type is malformed. For connections that have not registered
  /// yet.
  void only_accept(std::optional<FrameType> type) { only_ = type; }

  /// False once the stream is malformed; complaint() says why and all later calls fail too.
  bool feed(std::span<const std::byte> bytes);
  std::optional<Frame> next();
  const std::string& complaint() const { return complaint_; }
  /// What brings the stream has found it malformed.
  void reject(std::string complaint) { complaint_ = std::move(complaint); }

 private:
  bool begin_payload();
  void finish_frame();

  std::optional<FrameType> only_;
  std::array<std::byte, kFrameHeaderBytes> header_;
  std::size_t header_bytes_ = 0;
  std::size_t payload_bytes_ = 0;
  Frame current_;
  std::deque<Frame> ready_;
  std::string complaint_;
};

}  // namespace sluice::bootstrap
