// What the fuzzer does with one input: everything that the TCP transport does with bytes from
// outside once a connection has proved the key, and blobs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "transports/tcp/applier.hpp"
#include "transports/tcp/blob.hpp"
#include "transports/tcp/frame.hpp"
#include "transports/tcp/request.hpp"

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
      require(request->region == 1 && request->amount <= kRegionBytes);
      require(request->type == FrameType::kOpen ||
              request->offset <= kRegionBytes - request->amount);
    }
    applier.answered();
  }
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

inline void run(std::span<const std::byte> input) {
  run_owner(input);
  run_opener(input, true);
  run_opener(input, false);
  // Without the key nobody makes a blob that is believed.
  require(!decode(input, bootstrap::Secret{7}));
}

}  // namespace sluice::transport::tcp::fuzz
