#include "support/mismatch.hpp"

#include <fmt/format.h>

#include <chrono>
#include <numeric>

namespace sluice::test {
namespace {

using Call = Mismatch::Call;

/// Memory for any call here; kept by the call.
struct Memory {
  std::vector<double> input, output;
  Memory(const Communicator& c, std::size_t count)
      : input((count + 8) * static_cast<std::size_t>(c.size())), output(input.size()) {}
};

/// The calls with `n` elements.
Call all_reduce(std::size_t n, DataType type = DataType::kFloat32, ReduceOp op = ReduceOp::kSum) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.all_reduce(m.input.data(), m.output.data(), n, type, op);
  };
}
Call all_gather(std::size_t n) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.all_gather(m.input.data(), m.output.data(), n, DataType::kFloat32);
  };
}
Call broadcast(std::size_t n, int root) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.broadcast(m.input.data(), m.output.data(), n, DataType::kFloat32, root);
  };
}
Call reduce(std::size_t n, int root) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.reduce(m.input.data(), m.output.data(), n, DataType::kFloat32, ReduceOp::kSum, root);
  };
}
Call gather(std::size_t n, int root) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.gather(m.input.data(), m.output.data(), n, DataType::kFloat32, root);
  };
}
Call scatter(std::size_t n, int root) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.scatter(m.input.data(), m.output.data(), n, DataType::kFloat32, root);
  };
}
Call reduce_scatter(std::size_t n) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.reduce_scatter(m.input.data(), m.output.data(), n, DataType::kFloat32, ReduceOp::kSum);
  };
}
Call all_to_all(std::size_t n) {
  return [=](Communicator& c) {
    Memory m(c, n);
    return c.all_to_all(m.input.data(), m.output.data(), n, DataType::kFloat32);
  };
}
Call barrier() {
  return [](Communicator& c) { return c.barrier(); };
}

/// n elements for each rank, but for the first two ranks `shift` more and fewer: the same total,
/// other blocks.
struct Lists {
  std::vector<std::size_t> counts, displacements;
  Lists(int ranks, std::size_t n, std::size_t shift) : counts(static_cast<std::size_t>(ranks), n) {
    counts[0] += shift;
    counts[1] -= shift;
    displacements.resize(counts.size());
    std::exclusive_scan(counts.begin(), counts.end(), displacements.begin(), std::size_t{0});
  }
};
Call all_gather_v(std::size_t n, std::size_t shift) {
  return [=](Communicator& c) {
    Memory m(c, n + shift);
    const Lists lists(c.size(), n, shift);
    return c.all_gather_v(m.input.data(), m.output.data(), lists.counts, lists.displacements,
                          DataType::kFloat32);
  };
}
Call reduce_scatter_v(std::size_t n, std::size_t shift) {
  return [=](Communicator& c) {
    Memory m(c, n + shift);
    return c.reduce_scatter_v(m.input.data(), m.output.data(), Lists(c.size(), n, shift).counts,
                              DataType::kFloat32, ReduceOp::kSum);
  };
}
Call all_to_all_v(std::size_t n) {
  return [=](Communicator& c) {
    Memory m(c, n);
    const Lists lists(c.size(), n, 0);
    return c.all_to_all_v(m.input.data(), lists.counts, lists.displacements, m.output.data(),
                          lists.counts, lists.displacements, DataType::kFloat32);
  };
}

}  // namespace

std::vector<Mismatch> mismatches(std::size_t n) {
  const auto count = [](std::size_t value) { return fmt::format("count {}", value); };
  const auto bytes = [](std::size_t value) { return fmt::format("{}", value * sizeof(float)); };
  return {
      {"count_all_reduce", all_reduce(n), all_reduce(n + 1), count(n), count(n + 1)},
      {"count_far_apart", all_reduce(n), all_reduce(8 * n), count(n), count(8 * n)},
      {"count_zero", all_reduce(n), all_reduce(0), count(n), count(0)},
      {"count_all_gather", all_gather(n), all_gather(n - 1), count(n), count(n - 1)},
      {"count_broadcast", broadcast(n, 0), broadcast(n + 1, 0), count(n), count(n + 1)},
      {"count_reduce_scatter", reduce_scatter(n), reduce_scatter(n + 1), count(n), count(n + 1)},
      {"count_all_to_all", all_to_all(n), all_to_all(n + 1), count(n), count(n + 1)},
      {"count_gather", gather(n, 1), gather(n + 1, 1), count(n), count(n + 1)},
      {"count_scatter", scatter(n, 1), scatter(n + 1, 1), count(n), count(n + 1)},
      {"type", all_reduce(n), all_reduce(n, DataType::kInt32), "float", "int32"},
      {"type_of_other_size", all_reduce(n), all_reduce(n, DataType::kFloat64), "float", "double"},
      {"operator", all_reduce(n), all_reduce(n, DataType::kFloat32, ReduceOp::kMax), "sum", "max"},
      {"root_broadcast", broadcast(n, 0), broadcast(n, 1), "root 0", "root 1"},
      {"root_reduce", reduce(n, 0), reduce(n, 1), "root 0", "root 1"},
      {"root_gather", gather(n, 0), gather(n, 1), "root 0", "root 1"},
      {"root_scatter", scatter(n, 0), scatter(n, 1), "root 0", "root 1"},
      {"all_reduce_and_all_gather", all_reduce(n), all_gather(n), "all_reduce", "all_gather"},
      {"all_reduce_and_broadcast", all_reduce(n), broadcast(n, 2), "all_reduce", "broadcast"},
      {"broadcast_and_all_reduce", broadcast(n, 1), all_reduce(n), "broadcast", "all_reduce"},
      {"barrier_and_all_reduce", barrier(), all_reduce(n), "barrier", "all_reduce"},
      {"reduce_and_barrier", reduce(n, 0), barrier(), "reduce", "barrier"},
      {"gather_and_scatter", gather(n, 0), scatter(n, 0), "gather", "scatter"},
      {"reduce_scatter_and_all_to_all", reduce_scatter(n), all_to_all(n), "reduce_scatter",
       "all_to_all"},
      {"all_to_all_v_and_all_reduce", all_to_all_v(n), all_reduce(n), "all_to_all_v", "all_reduce"},
      {"counts_all_gather_v", all_gather_v(n, 0), all_gather_v(n, 1), "all_gather_v",
       "all_gather_v"},
      {"counts_reduce_scatter_v", reduce_scatter_v(n, 0), reduce_scatter_v(n, 1),
       "reduce_scatter_v", "reduce_scatter_v"},
      {"counts_all_to_all_v", all_to_all_v(n), all_to_all_v(n + 1), bytes(n), bytes(n + 1)},
  };
}

std::string run_mismatch(Communicator& c, const Mismatch& mismatch, int odd_rank) {
  using Clock = std::chrono::steady_clock;
  Status status = c.barrier();  // a slow rank may be told here already
  const auto start = Clock::now();
  const auto waited = [&] { return Clock::now() - start; };
  if (status.ok()) status = c.rank() == odd_rank ? mismatch.odd(c) : mismatch.most(c);
  while (status.ok() && waited() < std::chrono::seconds(4)) status = c.barrier();
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(waited());
  if (status.ok()) return "no error";
  const std::string text = last_error();
  if (status.code() != Errc::kInvalidUsage)
    return fmt::format("not invalid usage but {}: {}", name(status.code()), text);
  if (took > std::chrono::seconds(2))
    return fmt::format("told after {} ms: {}", took.count(), text);
  for (const std::string& part : {mismatch.most_text, mismatch.odd_text})
    if (text.find(part) == std::string::npos)
      return fmt::format("\"{}\" is not named: {}", part, text);
  return {};
}

}  // namespace sluice::test
