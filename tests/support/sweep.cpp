#include "support/sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace sluice::test {
namespace {

constexpr std::size_t kShifts[] = {0, 1, 8, 4, 60, 3, 32, 17};
constexpr std::uint64_t kFullCount = 67;  // with which every type meets every operator

std::vector<std::uint64_t> counts_for(int ranks, Depth depth) {
  const auto p = static_cast<std::uint64_t>(ranks);
  std::vector<std::uint64_t> counts = {0, 1, 2, p - 1, p + 1, 7, 63, 64, 65, 1000, 4097};
  if (depth == Depth::kFull) counts.push_back(100'003);
  return counts;
}

/// Whether another algorithm may run. Where the scaled input of a pre-multiplied sum does not fit
/// the output, it is in private memory of the library.
bool falls_back(const Sweep& sweep, std::uint64_t count, DataType type, ReduceOp op) {
  const std::uint64_t message_bytes =
      (count + count / 2) * size_in_bytes(type);  // the v-forms' longest block
  // Selection works on size classes a quarter of an octave wide, so the last ones below the limit
  // may not take it.
  const std::uint64_t limit = sweep.algorithm.max_bytes;
  if (limit != ~std::uint64_t{0} && message_bytes > limit * 3 / 4) return true;
  return sweep.may_fall_back || (sweep.algorithm.needs_direct && op == ReduceOp::kPreMulSum);
}

template <class List>
auto pick(const List& list, std::size_t turn) {
  return list[turn % std::size(list)];
}

}  // namespace

bool adds_by_rank(std::string_view algorithm) {
  constexpr std::string_view kByRank[] = {"packet", "one_shot", "two_shot", "direct", "staged"};
  return std::find(std::begin(kByRank), std::end(kByRank), algorithm) != std::end(kByRank);
}

bool reduces(Collective collective) {
  return collective == Collective::kAllReduce || collective == Collective::kReduce ||
         collective == Collective::kReduceScatter || collective == Collective::kReduceScatterV;
}

std::vector<Case> cases_of(const Sweep& sweep) {
  const auto& [algorithm, ranks, depth, memory, may_fall_back] = sweep;
  std::vector<Case> cases;
  auto turn = static_cast<std::size_t>(ranks);
  const auto add = [&](std::uint64_t count, DataType type, ReduceOp op) {
    ++turn;
    cases.push_back(
        {.collective = sweep.algorithm.collective,
         .type = type,
         .op = op,
         .count = count,
         .root = static_cast<int>(turn) % sweep.ranks,
         .in_place = turn % 3 == 0,
         .input_shift = pick(kShifts, turn),
         .output_shift = pick(kShifts, turn / 2),
         .values = adds_by_rank(sweep.algorithm.name) && !falls_back(sweep, count, type, op)
                       ? Values::kReal
                       : Values::kExact,
         .memory = sweep.memory});
  };
  const bool with_ops = reduces(algorithm.collective);
  const std::size_t ops = with_ops ? std::size(kAllOps) : 1;
  std::size_t round = 0;
  for (const DataType type : kAllTypes)
    for (std::size_t op = 0; op < ops; ++op, ++round)
      if (depth == Depth::kFull || op == round / ops % ops) add(kFullCount, type, kAllOps[op]);
  const auto counts = counts_for(ranks, depth);
  for (std::size_t i = 0; i < counts.size(); ++i)
    add(counts[i], pick(kAllTypes, i * 5 + static_cast<std::size_t>(ranks) * 7),
        with_ops ? pick(kAllOps, i + static_cast<std::size_t>(ranks)) : ReduceOp::kSum);
  return cases;
}

bool may_fall_back(const Sweep& sweep, const Case& c) {
  return falls_back(sweep, c.count, c.type, c.op);
}

std::string option_of(const AlgorithmDescription& algorithm) {
  return fmt::format("{}:{}", name(algorithm.collective), algorithm.name);
}

std::string run_sweep(Communicator& communicator, const Sweep& sweep,
                      const std::vector<Case>& cases) {
  const AlgorithmDescription& algorithm = sweep.algorithm;
  CaseRunner runner(communicator);
  for (const Case& c : cases) {
    if (std::string error = runner.run(c); !error.empty())
      return fmt::format("{} (ran {})", error, communicator.last_algorithm());
    if (!falls_back(sweep, c.count, c.type, c.op) &&
        communicator.last_algorithm() != algorithm.name)
      return fmt::format("{}: ran {}", describe(c), communicator.last_algorithm());
  }
  return {};
}

}  // namespace sluice::test
