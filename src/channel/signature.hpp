// Signatures: how ranks see that their calls fit each other.
#pragma once

#include <cstdint>

#include "base/port.hpp"

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

}  // namespace sluice
