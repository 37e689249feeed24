// One call of a collective: what was asked, what peers must have been asked too, and how to say it
// in an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "algorithms/arguments.hpp"
#include "algorithms/buffer_shape.hpp"
#include "channel/segment.hpp"
#include "channel/signature.hpp"
#include "sluice/algorithms.hpp"
#include "sluice/types.hpp"

namespace sluice {

/// One rank's call: what the schedule gets, and what else was asked.
struct Call : Arguments {
  Collective collective = Collective::kBarrier;
  DataType type = DataType::kUint8;
  ReduceOp op = ReduceOp::kSum;
  std::uint64_t counts_hash = 0;  // of what the v-forms list

  Call(Collective which, DataType data_type) : collective(which), type(data_type) {
    elem_bytes = size_in_bytes(data_type);
  }

  bool has_input(int rank) const {
    return !shape_of(collective).input_on_root_only || rank == root;
  }
  bool has_output(int rank) const {
    return !shape_of(collective).output_on_root_only || rank == root;
  }
  /// Bytes that rank's input and output cover; 0 where it has none.
  std::uint64_t input_bytes(int rank) const {
    return has_input(rank) ? extent_bytes(shape_of(collective).input, rank) : 0;
  }
  std::uint64_t output_bytes(int rank) const {
    return has_output(rank) ? extent_bytes(shape_of(collective).output, rank) : 0;
  }
  /// The size that the catalogue's cost functions and limits mean.
  std::uint64_t message_bytes() const {
    const Extent extent = shape_of(collective).input;
    if (extent == Extent::kWhole) return bytes();
    return extent == Extent::kNothing ? 0 : blocks.largest();
  }

 private:
  std::uint64_t extent_bytes(Extent extent, int rank) const {
    switch (extent) {
      case Extent::kNothing: return 0;
      case Extent::kWhole: return bytes();
      case Extent::kBlock: return blocks[rank].bytes;
      case Extent::kAllBlocks: return blocks.total();
    }
    return 0;
  }
};

/// What of a call its signature is made of.
inline CallWords words_of(const Call& call) {
  return {static_cast<std::uint64_t>(call.collective) | static_cast<std::uint64_t>(call.type) << 8 |
              static_cast<std::uint64_t>(call.op) << 16 |
              static_cast<std::uint64_t>(static_cast<std::uint32_t>(call.root)) << 32,
          call.count ^ call.counts_hash};
}

/// Equal on all ranks whose calls fit each other, and whose earlier calls did: `history` is the
/// signature of the call before. So a mismatch that no rank could notice (two roots that only send)
/// comes out at the next call that can.
inline std::uint64_t signature_of(const Call& call, std::uint64_t history) {
  return next_signature(history, words_of(call));
}

/// Of a signature's first word and of OperationRecord::call: the buffers lie in registered memory
/// of a device.
inline constexpr std::uint64_t kInRegisteredMemory = 1 << 24;

/// OperationRecord::call.
inline std::uint64_t record_of(const Call& call) {
  return static_cast<std::uint64_t>(call.collective) | static_cast<std::uint64_t>(call.type) << 8 |
         static_cast<std::uint64_t>(call.op) << 16;
}

/// Fills in what is kept of a call in the owner's segment. `record` holds the previous call's until
/// now.
inline void note(const Call& call, std::uint64_t epoch, OperationRecord& record) {
  record.epoch = epoch;
  record.signature = signature_of(call, record.signature);
  record.count = call.count;
  record.call = record_of(call);
  record.root = static_cast<std::uint64_t>(call.root);
}

/// "all_reduce #12".
std::string label(const OperationRecord& record);

/// What is sent with this kind: "a message of float".
std::string kind_text(std::uint64_t kind);

/// "all_reduce #12 (count 1024, float, sum)".
std::string describe(const OperationRecord& record);

}  // namespace sluice
