// Packing and unpacking by many threads: the kernels' body, which host threads run as it stands.
//
// A thread takes packed words, neighbouring threads neighbouring words, so that the packed side is
// read and written in whole lines; where a word lies on the user's side follows from its number by
// divisions that are multiplications.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "datatype/gpu/plan.hpp"

namespace sluice::datatype::gpu {

/// Byte offset of leaf `leaf` from the address that the user passes.
SLUICE_FN std::int64_t place_of_leaf(const Plan& plan, std::uint64_t leaf) {
  std::int64_t at = plan.offset;
  for (std::uint32_t d = plan.dimensions; d-- > 1;) {
    const std::uint64_t outside = plan.counts[d].quotient(leaf);
    const std::uint64_t index = leaf - outside * plan.counts[d].divisor;
    at += static_cast<std::int64_t>(index) * plan.strides[d];
    leaf = outside;
  }
  return at + static_cast<std::int64_t>(leaf) * plan.strides[0];
}

/// The last field that begins at packed byte `at` or before. Fields without bytes are passed over.
SLUICE_FN std::uint32_t field_at(const Plan& plan, std::uint64_t at) {
  std::uint32_t low = 0;
  std::uint32_t high = plan.fields;
  while (high - low > 1) {
    const std::uint32_t middle = low + (high - low) / 2;
    if (plan.packed_before[middle] <= at) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Byte offset of packed word `word` from the address that the user passes.
SLUICE_FN std::int64_t place_of_word(const Plan& plan, std::uint64_t word) {
  std::uint64_t inside = word;
  const std::uint64_t leaf = divide(inside, plan.leaf_words);
  std::int64_t at = place_of_leaf(plan, leaf);
  switch (plan.blocks) {
    case Blocks::kOne: break;
    case Blocks::kEqual: at += plan.offsets[divide(inside, plan.block_words)]; break;
    case Blocks::kFields: {
      const std::uint32_t field = field_at(plan, inside * plan.word);
      const auto before = static_cast<std::int64_t>(plan.packed_before[field]);
      return at + plan.offsets[field] + static_cast<std::int64_t>(inside * plan.word) - before;
    }
  }
  return at + static_cast<std::int64_t>(inside * plan.word);
}

template <class Word, bool kPack, class Group>
SLUICE_FN void move_words(const Group& group, const Plan& plan, std::byte* user,
                          std::byte* packed) {
  constexpr unsigned kAtOnce = 4;  // loads under way
  const std::uint64_t stride = group.size();
  std::uint64_t i = group.rank();
  const auto from = [&](std::uint64_t word) {
    return kPack ? user + place_of_word(plan, word) : packed + word * sizeof(Word);
  };
  const auto to = [&](std::uint64_t word) {
    return kPack ? packed + word * sizeof(Word) : user + place_of_word(plan, word);
  };
  SLUICE_ROLLED
  for (; i + (kAtOnce - 1) * stride < plan.words; i += kAtOnce * stride) {
    Word held[kAtOnce];
    for (unsigned k = 0; k < kAtOnce; ++k) held[k] = port::load_aligned<Word>(from(i + k * stride));
    for (unsigned k = 0; k < kAtOnce; ++k) port::store_aligned(to(i + k * stride), held[k]);
  }
  SLUICE_ROLLED
  for (; i < plan.words; i += stride) port::store_aligned(to(i), port::load_aligned<Word>(from(i)));
}

/// All words of the plan, by all threads of the group: rank() of size() threads, 64 bits each.
template <bool kPack, class Group>
SLUICE_FN void move(const Group& group, const Plan& plan, std::byte* user, std::byte* packed) {
  switch (plan.word) {
    case 16: return move_words<port::Vector16, kPack>(group, plan, user, packed);
    case 8: return move_words<std::uint64_t, kPack>(group, plan, user, packed);
    case 4: return move_words<std::uint32_t, kPack>(group, plan, user, packed);
    case 2: return move_words<std::uint16_t, kPack>(group, plan, user, packed);
    default: return move_words<std::uint8_t, kPack>(group, plan, user, packed);
  }
}

}  // namespace sluice::datatype::gpu
