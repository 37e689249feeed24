// The command line of sluice-perf.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sluice/algorithms.hpp"
#include "sluice/types.hpp"
#include "sluice_perf/benchmark.hpp"
#include "sluice_perf/buffers.hpp"

namespace sluice::perf {

struct CommandLine {
  static constexpr int kAllRoots = -1;

  bool list = false;      // print the catalogue and leave
  bool markdown = false;  // as the table of docs/algorithms.md
  bool tables = false;    // started as `tables`
  std::vector<Collective> collectives;

  std::size_t min_bytes = 4;
  std::size_t max_bytes = 64 << 20;
  std::size_t step_factor = 4;
  std::size_t step_bytes = 0;  // > 0: added, instead of multiplying by step_factor
  std::vector<DataType> types{DataType::kFloat32};
  std::vector<ReduceOp> ops{ReduceOp::kSum};
  int root = 0;
  TimingOptions timing;
  bool out_of_place = true;
  bool in_place = true;

  int processes = 0;  // ranks that this process forks; 0: none
  int threads = 0;    // ranks that are threads of this process; 0: none
  std::optional<bool> pin;
  double timeout_s = 0;  // 0: the library's

  std::string algorithm;  // as given; empty: the library's choice
  std::string transport = "auto";
  Memory memory = Memory::kOrdinary;
  int graph_calls = 0;  // of device memory: calls in a graph; 0: no graph
  int strands = 0;      // Options::strands
  std::string json;
  bool verbose = false;

  /// The sizes to ask for.
  std::vector<std::size_t> sizes() const;
  /// The library's Options::algorithm: the name for the collectives measured only, so that the
  /// barriers and gathers of the measurement itself stay as they are.
  std::string algorithm_option() const;
};

/// The command line, or the exit code when there is nothing to run (help, or an error that has been
/// printed).
std::variant<CommandLine, int> parse(int argc, char** argv);

/// "64", "4K", "1.5M", "2G" (powers of 1024); nothing when it is no size.
std::optional<std::size_t> parse_bytes(const std::string& text);

}  // namespace sluice::perf
