// What the fuzzer does with one input: everything that the TCP transport does with bytes from
// outside once a connection has proved the key, and blobs.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "transports/tcp/applier.hpp"
#include "transports/tcp/blob.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/rail.hpp"
#include "transports/tcp/request.hpp"
#include "transports/tcp/two_way_connection.hpp"
#include "transports/tcp/unacknowledged.hpp"

namespace sluice::transport::tcp::fuzz {

inline constexpr std::uint64_t kOwner = 0x1122334455667788;
inline constexpr std::uint64_t kRegionBytes = 512;

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// Memory with a border on both sides that nobody may write to.
class Guarded {
 public:
  Guarded() { bytes_.fill(std::byte{0xa5}); }
  std::span<std::byte> inside() { return std::span(bytes_).subspan(kBorder, kRegionBytes); }
  void check() const {
    for (std::size_t i = 0; i < kBorder; ++i)
      require(bytes_[i] == std::byte{0xa5} && bytes_[bytes_.size() - 1 - i] == std::byte{0xa5});
  }

 private:
  static constexpr std::size_t kBorder = 256;
  alignas(8) std::array<std::byte, kRegionBytes + 2 * kBorder> bytes_;
};

/// Feeds the input in pieces whose lengths are drawn from the input itself, sometimes straight into
/// the payload's place.
inline void feed_pieces(FrameReader& reader, std::span<const std::byte> input) {
  for (std::size_t at = 0; at < input.size();) {
    const auto drawn = std::to_integer<std::size_t>(input[at]);
    std::size_t piece = std::min(input.size() - at, 1 + drawn);
    if (const auto place = reader.place(); !place.empty() && drawn % 2 == 0) {
      piece = std::min(piece, place.size());
      std::copy_n(input.data() + at, piece, place.data());
      reader.took(piece);
    } else {
      const bool sound = reader.feed(input.subspan(at, piece));
      require(sound == reader.complaint().empty());
      if (!sound) return;
    }
    at += piece;
  }
}

inline void run_owner(std::span<const std::byte> input) {
  Guarded memory;
  Regions regions;
  regions.publish({memory.inside().data(), memory.inside().size()});
  Openers openers;
  Applier applier(regions, kOwner, openers);
  FrameReader reader(applier);
  // In two halves, with the answer between them.
  const std::size_t half = input.size() / 2;
  for (const auto part : {input.first(half), input.subspan(half)}) {
    if (!reader.complaint().empty()) break;
    feed_pieces(reader, part);
    if (const auto& request = applier.request()) {
      // A join names no region; whether it is good is only seen when it is answered.
      require(request->type == FrameType::kJoin ||
              (request->region == 1 && request->amount <= kRegionBytes));
      require(request->type != FrameType::kGet ||
              request->offset <= kRegionBytes - request->amount);
    }
    applier.answered();
  }
  memory.check();
}

/// Two rails of one opener; each piece goes to one of them.
inline void run_owner_of_rails(std::span<const std::byte> input) {
  Guarded memory;
  Regions regions;
  regions.publish({memory.inside().data(), memory.inside().size()});
  Openers openers;
  Applier first(regions, kOwner, openers), second(regions, kOwner, openers);
  FrameReader readers[] = {FrameReader(first), FrameReader(second)};
  std::uint64_t token = 0;
  for (Applier* applier : {&first, &second}) {
    FrameHeader answer;
    std::byte* place = nullptr;
    const FrameHeader join{FrameType::kJoin, token, 1, kOwner, applier == &second ? 1u : 0u};
    require(applier->begin(join, place).empty());
    applier->end(join);
    require(applier->join(answer, {}).empty());
    token = answer.sequence;
  }
  for (std::size_t at = 0; at < input.size();) {
    const auto drawn = std::to_integer<std::size_t>(input[at]);
    const std::size_t piece = std::min(input.size() - at, kHeaderBytes + drawn / 2);
    Applier& applier = drawn % 2 == 0 ? first : second;
    FrameReader& reader = readers[drawn % 2];
    if (reader.complaint().empty() && !applier.seat()->cut())
      feed_pieces(reader, input.subspan(at, piece));
    require(applier.seat()->acknowledge().amount <= input.size() / kHeaderBytes);
    applier.answered();
    at += piece;
  }
  memory.check();
}

/// A rail with frames on their way, and what its owner says to that.
inline void run_rail(std::span<const std::byte> input) {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  const bootstrap::Fd owner(ends[1]);
  bootstrap::Fd opener(ends[0]);
  Rail rail(std::move(opener), "", {}, {});
  Guarded memory;
  Request request;
  const FrameHeader get{FrameType::kGet, 1, 1, 0, kRegionBytes};
  request.start(get, memory.inside());
  rail.ask(get, request);
  Unacknowledged kept;
  for (std::uint64_t i = 1; i <= 3; ++i) kept.add({FrameType::kSignal, i, 1, 0, 1}, {});
  const auto now = Rail::Clock::now();
  for (int i = 0; i < 2; ++i) rail.give(kept.take(), now);
  require(rail.send() == 0);
  rail.give(kept.take(), now);  // never sent, so never acknowledged
  require(::send(owner.get(), input.data(), input.size(), MSG_NOSIGNAL) >= 0 || input.empty());
  std::string end;
  for (std::size_t i = 0; i <= input.size() / kHeaderBytes && end.empty(); ++i)
    end = rail.receive();
  require(rail.acknowledged().size() <= 2);
  memory.check();
}

/// A connection for both directions, over which this end may have opened the peer, but asks
/// nothing.
inline void run_both_ways(std::span<const std::byte> input, TwoWayConnection::Maker maker) {
  static const auto progress = Progress::start();  // only who sends needs it
  int ends[2];
  require(progress.ok() && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  const bootstrap::Fd peer(ends[1]);
  Guarded memory;
  Regions regions;
  regions.publish({memory.inside().data(), memory.inside().size()});
  Openers openers;
  LostOpener lost;
  Offers offers;
  const bootstrap::Address address;
  const auto connection = std::make_shared<TwoWayConnection>(
      Wire{bootstrap::Fd(ends[0])}, address, maker,
      TwoWayConnection::Setup{
          {regions, kOwner, openers, lost}, offers, *progress.value(), std::chrono::seconds(1)});
  bool goes_on = true;
  const std::size_t half = input.size() / 2;
  for (const auto part : {input.first(half), input.subspan(half)}) {
    require(::send(peer.get(), part.data(), part.size(), MSG_NOSIGNAL) >= 0 || part.empty() ||
            !goes_on);
    for (std::size_t i = 0; goes_on && i <= part.size() / kHeaderBytes; ++i)
      goes_on = connection->ready();
    if (const auto offered = offers.find(kOwner)) require(offered == connection);
    if (goes_on) connection->adopt({&address, 1});
  }
  require(goes_on != connection->failed());
  memory.check();
}

inline void run_opener(std::span<const std::byte> input, bool open) {
  Guarded memory;
  Request request;
  if (open)
    request.start({FrameType::kOpen, 1, 1, kOwner, kRegionBytes}, {});
  else
    request.start({FrameType::kGet, 1, 1, 0, kRegionBytes}, memory.inside());
  FrameReader reader(request);
  feed_pieces(reader, input);
  require(request.received_bytes() <= kRegionBytes);
  memory.check();
}

/// Encrypted: without the key nothing of it gets as far as a frame.
inline void run_records(std::span<const std::byte> input) {
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  const bootstrap::Fd stranger(ends[1]);
  const bootstrap::Greeting greeting{bootstrap::kProtocolVersion, {}, true};
  Wire wire{bootstrap::Fd(ends[0]),
            bootstrap::make_encryption({}, bootstrap::Role::kServer, greeting, greeting)};
  Guarded memory;
  Request request;
  request.start({FrameType::kGet, 1, 1, 0, kRegionBytes}, memory.inside());
  FrameReader reader(request);
  require(::send(stranger.get(), input.data(), input.size(), MSG_NOSIGNAL) >= 0 || input.empty());
  const Received received = receive_some(wire, reader);
  require(received != Received::kMalformed || !reader.complaint().empty());
  require(reader.between_frames() && request.received_bytes() == 0);
  memory.check();
}

inline void run(std::span<const std::byte> input) {
  run_owner(input);
  run_owner_of_rails(input);
  run_rail(input.first(std::min<std::size_t>(input.size(), 4096)));
  run_records(input.first(std::min<std::size_t>(input.size(), 4096)));
  for (const auto maker : {TwoWayConnection::Maker::kThisRank, TwoWayConnection::Maker::kPeer})
    run_both_ways(input.first(std::min<std::size_t>(input.size(), 4096)), maker);
  run_opener(input, true);
  run_opener(input, false);
  // Without the key nobody makes a blob that is believed.
  require(!decode(input, bootstrap::Secret{7}));
}

}  // namespace sluice::transport::tcp::fuzz
