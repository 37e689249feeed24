// What travels between two transports: frames, a header of fixed size and for some a payload.
// docs/tcp.md has every byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "transports/tcp/wire.hpp"

namespace sluice::transport::tcp {

inline constexpr std::size_t kHeaderBytes = 40;
/// Longer puts and gets are cut, so that nobody waits long behind one frame.
inline constexpr std::uint64_t kMaxPayloadBytes = std::uint64_t{256} << 10;

enum class FrameType : std::uint32_t {
  kOpen = 1,    // opener: I shall reach this region of you
  kPut = 2,     // opener: payload for the region
  kSignal = 3,  // opener: add to a counter
  kGet = 4,     // opener: send me a stretch of the region
  kBye = 5,     // opener: I leave
  kOpened = 6,  // owner: the answer to kOpen
  kGot = 7,     // owner: a piece of the answer to kGet
  // Where one opener has several connections (rails):
  kJoin = 8,    // opener, first: this is one of my rails
  kJoined = 9,  // owner: the answer to kJoin
  kAck = 10,    // owner: so many numbered frames have come over this rail
  kPing = 11,   // opener: acknowledge now
  // Where one connection carries both directions:
  kOffer = 12,  // opener, first: you may open this transport's memory over this connection
};
const char* name(FrameType type);
/// Whether several rails number it, in the order in which it was given, and acknowledge it.
inline bool is_numbered(FrameType type) {
  return type == FrameType::kPut || type == FrameType::kSignal;
}

/// Whether only an owner sends it, to its opener.
inline bool is_answer(FrameType type) {
  return type == FrameType::kOpened || type == FrameType::kGot || type == FrameType::kJoined ||
         type == FrameType::kAck;
}

struct FrameHeader {
  FrameType type{};
  std::uint64_t sequence = 0;
  std::uint64_t region = 0;
  std::uint64_t offset = 0;
  std::uint64_t amount = 0;  // bytes, or what a signal adds
};

using HeaderBytes = std::array<std::byte, kHeaderBytes>;
HeaderBytes encode(const FrameHeader& header);
/// What is wrong with it; empty when nothing is.
std::string decode(const HeaderBytes& bytes, FrameHeader& header);
/// How many bytes follow the header.
std::uint64_t payload_bytes(const FrameHeader& header);

/// Judges frames, says where their payload goes, and acts on them once it is there.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  /// A header has come. Sets `place` to room for payload_bytes(header), if that is not 0. Returns
  /// what is wrong with the frame; empty: nothing.
  virtual std::string begin(const FrameHeader& header, std::byte*& place) = 0;
  /// The payload is in its place.
  virtual void end(const FrameHeader& header) = 0;
};

/// Cuts a stream of bytes into frames. Payload can be received straight into its place().
class FrameReader {
 public:
  explicit FrameReader(FrameSink& sink) : sink_(sink) {}

  /// Takes bytes that have come. False once the stream is malformed; complaint() says why.
  bool feed(std::span<const std::byte> bytes);
  /// Where the next bytes of payload belong; empty between payloads. Bytes put there are told by
  /// took().
  std::span<std::byte> place() const { return place_; }
  void took(std::size_t bytes);
  /// The rest of the payload under way, if any, goes here instead.
  void divert(std::byte* place) { place_ = {place, place_.size()}; }

  bool between_frames() const { return header_bytes_ == 0; }
  const std::string& complaint() const { return complaint_; }
  /// What brings the stream has found it malformed.
  void reject(std::string complaint) { complaint_ = std::move(complaint); }

 private:
  void begin_frame();
  void end_frame();

  FrameSink& sink_;
  HeaderBytes bytes_;
  std::size_t header_bytes_ = 0;
  FrameHeader header_;
  std::span<std::byte> place_;
  std::string complaint_;
};

enum class Received {
  kAll,        // nothing more is there now
  kMore,       // perhaps more
  kClosed,     // by the peer
  kFailed,     // errno says why
  kMalformed,  // FrameReader::complaint() says why
};
/// One system call's worth from the socket to the reader.
Received receive_some(Wire& wire, FrameReader& reader);

/// Cuts a stretch into pieces that fit a frame.
class Cut {
 public:
  struct Piece {
    std::uint64_t offset;
    std::uint64_t bytes;
  };

  constexpr Cut() = default;
  constexpr Cut(std::uint64_t offset, std::uint64_t bytes) : offset_(offset), left_(bytes) {}

  constexpr bool done() const { return left_ == 0; }
  constexpr Piece next(std::uint64_t most = kMaxPayloadBytes) {
    const Piece piece{offset_, left_ < most ? left_ : most};
    offset_ += piece.bytes;
    left_ -= piece.bytes;
    return piece;
  }

 private:
  std::uint64_t offset_ = 0;
  std::uint64_t left_ = 0;
};

}  // namespace sluice::transport::tcp
