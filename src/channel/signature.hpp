// Signatures: how ranks see that their calls fit each other.
#pragma once

#include <cstdint>

#include "base/port.hpp"
#include "sluice/types.hpp"

namespace sluice {

/// What of a call must be the same on all ranks.
struct CallWords {
  std::uint64_t words[2];
};

/// The signature of a call behind one with signature `history`: equal on ranks whose calls fit and
/// whose earlier calls did.
SLUICE_FN constexpr std::uint64_t next_signature(std::uint64_t history, const CallWords& call) {
  std::uint64_t hash = 0x9e3779b97f4a7c15 + history;
  for (const std::uint64_t word : call.words) {
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

/// What both sides of a message must agree on besides its size: this and its type in the lowest
/// byte. In the place of a collective's signature.
inline constexpr std::uint64_t kMessageKind = 0x6d65737361676500;  // "message"
SLUICE_FN constexpr std::uint64_t message_kind(DataType type) {
  return kMessageKind | static_cast<std::uint64_t>(type);
}
constexpr bool is_message(std::uint64_t kind) {
  return (kind & ~std::uint64_t{0xff}) == kMessageKind;
}

}  // namespace sluice
