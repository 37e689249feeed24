// From a public function's arguments to a Call that is known to be right: what the collectives on
// host memory and those on streams have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "communicator/impl.hpp"

namespace sluice {

Status bad_argument(const Communicator::Impl& impl, const Call& call, const std::string& text);

/// Says what is wrong with a call that looks doubtful; ok if nothing is.
Status examine(const Communicator::Impl& impl, const Call& call);

/// examine(), with a short way for the calls that are plainly right: it is on the path of the
/// smallest messages.
inline Status check(const Communicator::Impl& impl, const Call& call) {
  constexpr std::uint64_t kPlainlySmall = std::uint64_t{1} << 32;
  const auto input = reinterpret_cast<std::uintptr_t>(call.input);
  const auto output = reinterpret_cast<std::uintptr_t>(call.output);
  const std::uint64_t bytes = call.blocks.total() + call.bytes();
  const bool apart = input + bytes <= output || output + bytes <= input || input == output;
  const bool plain = call.elem_bytes != 0 && static_cast<int>(call.op) < kReduceOpCount &&
                     static_cast<unsigned>(call.root) < static_cast<unsigned>(impl.size()) &&
                     call.count < kPlainlySmall && bytes < kPlainlySmall && input != 0 &&
                     output != 0 && apart &&
                     (input != output || shape_of(call.collective).input == Extent::kWhole);
  if (plain) [[likely]]
    return {};
  return examine(impl, call);
}

/// One entry for each rank, none of them too large.
Status check_list(const Communicator::Impl& impl, Collective collective, const char* what,
                  std::span<const std::size_t> list, DataType type);

std::uint64_t hash_counts(std::span<const std::size_t> counts);

inline Call make_call(Collective collective, DataType type, const void* input, void* output,
                      std::size_t count, int root = 0) {
  Call call(collective, type);
  call.input = static_cast<const std::byte*>(input);
  call.output = static_cast<std::byte*>(output);
  call.count = count;
  call.root = root;
  return call;
}

/// A call whose larger buffer has `count` elements for each rank.
inline Call make_block_call(const Communicator::Impl& impl, Collective collective, DataType type,
                            const void* input, void* output, std::size_t count, int root = 0) {
  Call call = make_call(collective, type, input, output, count, root);
  call.blocks = Blocks::equal(count, call.elem_bytes, static_cast<std::uint64_t>(impl.size()));
  return call;
}

/// A v-form's; `displacements` may be null. The lists must outlive the call.
inline Call make_listed_call(Collective collective, DataType type, const void* input, void* output,
                             std::span<const std::size_t> counts,
                             const std::size_t* displacements) {
  Call call = make_call(collective, type, input, output, 0);
  call.blocks = Blocks::listed(counts.data(), displacements, call.elem_bytes, counts.size());
  call.counts_hash = hash_counts(counts);
  return call;
}

}  // namespace sluice
