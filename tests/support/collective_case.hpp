// One call of one collective with everything around it: buffers with guards, the data, the call,
// the check.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/data.hpp"

namespace sluice::test {

enum class Memory {
  kOrdinary,    // malloc
  kRegistered,  // sluice::alloc
  kMixed,       // registered on every other rank, and there for the input only on every fourth
};

struct Case {
  Collective collective = Collective::kAllReduce;
  DataType type = DataType::kFloat32;
  ReduceOp op = ReduceOp::kSum;
  std::uint64_t count = 0;  // elements of the call; the v-forms make their lists of it
  int root = 0;
  bool in_place = false;        // ignored where a collective has no such thing
  std::size_t input_shift = 0;  // bytes off a 64-byte boundary
  std::size_t output_shift = 0;
  Values values = Values::kExact;
  Memory memory = Memory::kOrdinary;
};

std::string describe(const Case& c);

/// The v-forms' lists for a count: zero blocks, short ones, and one longer than the rest.
std::uint64_t listed_count(std::uint64_t count, int rank, int ranks);
/// What rank `from` sends rank `to` in all_to_all_v.
std::uint64_t pair_count(std::uint64_t count, int from, int to);

struct CaseLayout;

/// One rank's buffers for one case after the other.
class CaseRunner {
 public:
  /// Makes the call of a case; what went wrong, or nothing.
  using CaseCall = std::function<std::string(const Case&, const CaseLayout&, const std::byte* input,
                                             std::byte* output)>;

  /// Calls the collectives of `communicator`.
  explicit CaseRunner(Communicator& communicator);
  CaseRunner(int rank, int ranks, CaseCall call)
      : rank_(rank), ranks_(ranks), call_(std::move(call)) {}

  /// Runs the case on this rank; all ranks must run the same one. Empty when all is well.
  std::string run(const Case& c);
  /// A hash of the output's bits after run(); the same on every rank that has the same output.
  std::uint64_t output_hash() const { return output_hash_; }

 private:
  struct Area {
    std::vector<std::byte> ordinary;
    std::optional<Buffer<std::byte>> registered;
  };
  std::byte* place(Area& area, std::uint64_t bytes, bool registered);

  int rank_, ranks_;
  CaseCall call_;
  Area input_, output_;
  std::uint64_t output_hash_ = 0;
};

}  // namespace sluice::test
