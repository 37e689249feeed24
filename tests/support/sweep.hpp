// The rotation of counts, types, operators, places and alignments that every algorithm of the
// catalogue goes through.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "support/collective_case.hpp"

namespace sluice::test {

enum class Depth {
  kFull,   // every type with every operator, every count up to 100003
  kShort,  // every type, operator and count once, the large counts left out
};

/// Deterministic; the rotation differs between numbers of ranks.
struct Sweep {
  const AlgorithmDescription& algorithm;
  int ranks;
  Depth depth;
  Memory memory = Memory::kOrdinary;
  bool may_fall_back = false;  // the ranks' memory may not allow the algorithm
};
std::vector<Case> cases_of(const Sweep& sweep);

/// Whether another algorithm than the sweep's may run one of its cases.
bool may_fall_back(const Sweep& sweep, const Case& c);

/// "collective:name", as Options::algorithm takes it.
std::string option_of(const AlgorithmDescription& algorithm);

/// Runs the cases on one rank and checks that the algorithm itself ran them, unless they are too
/// large for it or it may fall back. Empty when all is well.
std::string run_sweep(Communicator& communicator, const Sweep& sweep,
                      const std::vector<Case>& cases);

/// Whether the algorithm promises to add by rank, in float32 for the small formats.
bool adds_by_rank(std::string_view algorithm);
bool reduces(Collective collective);

inline constexpr DataType kAllTypes[] = {
    DataType::kInt8,    DataType::kUint8,    DataType::kInt32,      DataType::kUint32,
    DataType::kInt64,   DataType::kUint64,   DataType::kFloat16,    DataType::kFloat32,
    DataType::kFloat64, DataType::kBfloat16, DataType::kFloat8E4M3, DataType::kFloat8E5M2};
inline constexpr ReduceOp kAllOps[] = {ReduceOp::kSum, ReduceOp::kProduct, ReduceOp::kMax,
                                       ReduceOp::kMin, ReduceOp::kAverage, ReduceOp::kPreMulSum};

}  // namespace sluice::test
