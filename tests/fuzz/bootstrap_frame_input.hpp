// What the fuzzer does with one input: everything that the bootstrap does with bytes from outside.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "bootstrap/authentication.hpp"
#include "bootstrap/frame.hpp"
#include "bootstrap/messages.hpp"

namespace sluice::bootstrap::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline void parse_payload(const Frame& frame) {
  const auto limit = max_payload_bytes(static_cast<std::uint32_t>(frame.type));
  require(limit && frame.payload.size() <= *limit);
  if (const auto registration = decode_registration(frame.payload)) {
    require(registration->process.host_name.size() <= kHostNameBytes);
  }
  if (const auto welcome = decode_welcome(frame.payload)) require(!welcome->ranks.empty());
  if (const auto notice = decode_notice(frame.payload)) {
    require(notice->code != Errc::kOk && notice->text.size() <= kMaxTextBytes);
  }
  if (const auto report = decode_joined(frame.payload, frame.rank % (2 * kMaxRanks))) {
    require(report->joined.size() == frame.rank % (2 * kMaxRanks));
  }
}

/// Feeds the input in pieces whose lengths are drawn from the input itself.
inline void parse_stream(std::span<const std::byte> input, bool registered) {
  FrameReader reader;
  if (!registered) reader.only_accept(FrameType::kRegister);
  for (std::size_t at = 0; at < input.size();) {
    const std::size_t piece =
        std::min(input.size() - at, 1 + std::to_integer<std::size_t>(input[at]));
    const bool sound = reader.feed(input.subspan(at, piece));
    at += piece;
    while (const auto frame = reader.next()) {
      require(registered || frame->type == FrameType::kRegister);
      parse_payload(*frame);
    }
    require(sound == reader.complaint().empty());
    if (!sound) return;
  }
}

inline void run(std::span<const std::byte> input) {
  parse_stream(input, true);
  parse_stream(input, false);
  Greeting greeting;
  if (input.size() >= kHelloBytes) decode(input.first<kHelloBytes>(), greeting);
}

}  // namespace sluice::bootstrap::fuzz
