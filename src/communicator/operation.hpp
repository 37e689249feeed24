// One call of a collective: what was asked, what peers must have been asked too, and how to say it in an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "algorithms/blocks.hpp"
#include "channel/segment.hpp"
#include "sluice/algorithms.hpp"
#include "sluice/types.hpp"

namespace sluice {

/// How much of memory an argument of a collective covers.
enum class Extent : std::uint8_t {
  kNothing,
  kWhole,      // count elements
  kBlock,      // one block
  kAllBlocks,  // a block for every rank
};

/// The buffers of a collective.
struct BufferShape {
  Extent input;
  Extent output;
  bool input_on_root_only;
  bool output_on_root_only;
};
BufferShape shape_of(Collective collective);

struct Call {
  Collective collective;
  DataType type = DataType::kUint8;
  ReduceOp op = ReduceOp::kSum;
  int root = 0;
  const void* input = nullptr;
  void* output = nullptr;
  std::uint64_t count = 0;
  Blocks blocks = Blocks::equal(0, 1, 1);
  std::uint64_t counts_hash = 0;  // of what the v-forms list

  std::uint64_t elem_bytes() const { return size_in_bytes(type); }
  bool has_input(int rank) const;
  bool has_output(int rank) const;
  /// Bytes that rank's input and output cover; 0 where it has none.
  std::uint64_t input_bytes(int rank) const;
  std::uint64_t output_bytes(int rank) const;
  /// The size that the catalogue's cost functions and limits mean.
  std::uint64_t message_bytes() const;

 private:
  std::uint64_t extent_bytes(Extent extent, int rank) const;
};

/// Equal on all ranks whose calls fit each other.
inline std::uint64_t signature_of(const Call& call) {
  const std::uint64_t words[] = {
      static_cast<std::uint64_t>(call.collective) | static_cast<std::uint64_t>(call.type) << 8 |
          static_cast<std::uint64_t>(call.op) << 16 |
          static_cast<std::uint64_t>(static_cast<std::uint32_t>(call.root)) << 32,
      call.count ^ call.counts_hash};
  std::uint64_t hash = 0x9e3779b97f4a7c15;
  for (const std::uint64_t word : words) {
    hash = (hash ^ word) * 0xff51afd7ed558ccd;
    hash ^= hash >> 32;
  }
  return hash;
}

/// What is kept of a call in the owner's segment.
inline OperationRecord record_of(const Call& call, std::uint64_t epoch) {
  return {.epoch = epoch,
          .signature = signature_of(call),
          .count = call.count,
          .call = static_cast<std::uint64_t>(call.collective) | static_cast<std::uint64_t>(call.type) << 8 |
                  static_cast<std::uint64_t>(call.op) << 16,
          .root = static_cast<std::uint64_t>(call.root)};
}

/// "all_reduce #12 (count 1024, float, sum)".
std::string describe(const OperationRecord& record);

}  // namespace sluice
