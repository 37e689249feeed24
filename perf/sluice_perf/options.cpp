#include "sluice_perf/options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "sluice_perf/machine.hpp"

namespace sluice::perf {
namespace {

constexpr std::size_t kLargestBytes = 1ULL << 44;
constexpr int kMostRanks = 4096;

[[noreturn]] void reject(const std::string& text) { throw CLI::ValidationError(text); }

std::size_t bytes_or_reject(const std::string& flag, const std::string& text) {
  const auto bytes = parse_bytes(text);
  if (!bytes)
    reject(fmt::format("{}: '{}' is not a size (64, 4K, 1M, 2G; at most 16T)", flag, text));
  return *bytes;
}

/// The values of an enumeration of `count` that are called `text`; all of them for "all".
template <class Enum>
std::vector<Enum> by_name(const std::string& flag, const std::string& text, int count) {
  std::vector<Enum> found;
  std::vector<std::string_view> names;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    names.push_back(name(value));
    if (text == "all" || text == names.back()) found.push_back(value);
  }
  if (found.empty())
    reject(fmt::format("{}: '{}' is not one of {}, all", flag, text, fmt::join(names, ", ")));
  return found;
}

void set_command(CommandLine& line, const std::string& command) {
  line.list = command == "list";
  line.tables = command == "tables";
  if (line.list) return;
  if (line.tables) {
    line.collectives = {Collective::kAllReduce, Collective::kAllToAll};
    return;
  }
  for (int i = 0; i < kCollectiveCount; ++i) {
    const auto collective = static_cast<Collective>(i);
    if (name(collective) == command) line.collectives = {collective};
  }
  if (line.collectives.empty()) {
    std::vector<std::string_view> names;
    for (int i = 0; i < kCollectiveCount; ++i) names.push_back(name(static_cast<Collective>(i)));
    reject(
        fmt::format("'{}' is not one of list, tables, tune, {}", command, fmt::join(names, ", ")));
  }
}

struct Texts {
  std::string command, min = "4", max, step_bytes, type = "float", op = "sum", root = "0",
                       memory = "ordinary";
  int pin = -1;
  int out_of_place_only = 0, in_place_only = 0;
};

void add_size_options(CLI::App& app, CommandLine& line, Texts& texts) {
  app.add_option("-b,--minbytes", texts.min, "Smallest size; suffixes K, M, G (default 4)");
  app.add_option("-e,--maxbytes", texts.max,
                 "Largest size (default 64M, or -b where that is larger)");
  auto* factor =
      app.add_option("-f,--stepfactor", line.step_factor, "Factor from size to size (default 4)");
  factor->check(CLI::Range(2, 1 << 16));
  app.add_option("-i,--stepbytes", texts.step_bytes, "Bytes from size to size, instead of a factor")
      ->excludes(factor);
  app.add_option(
      "-d,--datatype", texts.type,
      "int8 uint8 int32 uint32 int64 uint64 half float double bfloat16 fp8_e4m3 fp8_e5m2, or all");
  app.add_option("-o,--op", texts.op, "sum prod min max avg mulsum, or all");
  app.add_option("-r,--root", texts.root,
                 "Root rank of broadcast, reduce, gather, scatter, or all");
}

void add_measurement_options(CLI::App& app, CommandLine& line, Texts& texts) {
  app.add_option("-n,--iters", line.timing.iterations,
                 "Timed iterations of a cell (default: about 0.2 s of them)")
      ->check(CLI::Range(1, 1'000'000'000));
  app.add_option("-w,--warmup_iters", line.timing.warmup_iterations,
                 "Iterations before them (default 2)")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("-c,--check", line.timing.check_iterations,
                 "Checked iterations after them; 0: none (default 1)")
      ->check(CLI::Range(0, 1'000'000));
  auto* out_of_place =
      app.add_flag("--out-of-place-only", texts.out_of_place_only, "Leave in place out");
  app.add_flag("--in-place-only", texts.in_place_only, "Leave out of place out")
      ->excludes(out_of_place);
  app.add_option("--algorithm", line.algorithm,
                 "Instead of the library's choice; see sluice-perf list");
  app.add_option("--transport", line.transport, "auto, shm, loopback")
      ->check(CLI::IsMember({"auto", "shm", "loopback"}));
  app.add_option("--memory", texts.memory,
                 "ordinary, registered (sluice::alloc), or cuda (of the visible GPUs in turn)")
      ->check(CLI::IsMember({"ordinary", "registered", "cuda"}));
  app.add_option("--graph", line.graph_calls,
                 "With --memory cuda: launch graphs of this many calls (0: no graphs)")
      ->check(CLI::Range(0, 1000));
  app.add_option("--strands", line.strands,
                 "With --memory cuda: blocks of a call at most (0: the library's choice)")
      ->check(CLI::Range(0, 4096));
  app.add_option("--json", line.json, "Append one object a line to this file");
  app.add_flag("--markdown", line.markdown, "With list: as the table of docs/algorithms.md");
  app.add_flag("-v,--verbose", line.verbose, "Add the smallest and largest time of the batches");
}

void add_rank_options(CLI::App& app, CommandLine& line, Texts& texts) {
  auto* ranks = app.add_option("--ranks", line.processes, "Start this many ranks as processes")
                    ->check(CLI::Range(1, kMostRanks));
  app.add_option("-t,--nthreads", line.threads, "Start this many ranks as threads of this process")
      ->check(CLI::Range(1, kMostRanks))
      ->excludes(ranks);
  app.add_option("--pin", texts.pin,
                 "Bind rank i to core i modulo cores (default: 1 if every rank has its own)")
      ->check(CLI::Range(0, 1));
  app.add_option("-T,--timeout", line.timeout_s,
                 "Seconds that a call waits for other ranks (default 30)")
      ->check(CLI::Range(0.001, 1e6));
}

/// Better now than after the first cell.
void check_json(const std::string& path) {
  if (path.empty()) return;
  std::FILE* file = std::fopen(path.c_str(), "ae");
  if (file == nullptr)
    reject(fmt::format("--json: cannot write {}: {}", path, std::strerror(errno)));
  std::fclose(file);
}

/// The checks that need more than one option, and the conversion of texts.
void finish(CommandLine& line, const Texts& texts) {
  set_command(line, texts.command);
  line.min_bytes = bytes_or_reject("-b", texts.min);
  line.max_bytes = texts.max.empty() ? std::max(line.max_bytes, line.min_bytes)
                                     : bytes_or_reject("-e", texts.max);
  if (line.max_bytes < line.min_bytes)
    reject(fmt::format("-e {} is less than -b {}", line.max_bytes, line.min_bytes));
  if (!texts.step_bytes.empty()) {
    line.step_bytes = bytes_or_reject("-i", texts.step_bytes);
    if (line.step_bytes == 0) reject("-i: 0 is not a step");
  }
  line.types = by_name<DataType>("-d", texts.type, kDataTypeCount);
  line.ops = by_name<ReduceOp>("-o", texts.op, kReduceOpCount);
  line.root = CommandLine::kAllRoots;
  if (texts.root != "all") {
    const char* end = texts.root.data() + texts.root.size();
    const auto parsed = std::from_chars(texts.root.data(), end, line.root);
    if (parsed.ec != std::errc() || parsed.ptr != end || line.root < 0)
      reject(fmt::format("-r: '{}' is neither a rank nor all", texts.root));
  }
  for (const Memory each : {Memory::kOrdinary, Memory::kRegistered, Memory::kCuda})
    if (name(each) == texts.memory) line.memory = each;
  if (line.memory != Memory::kCuda && (line.graph_calls != 0 || line.strands != 0))
    reject("--graph and --strands are for --memory cuda");
  if (texts.pin >= 0) line.pin = texts.pin == 1;
  line.out_of_place = texts.in_place_only == 0;
  line.in_place = texts.out_of_place_only == 0;
  if (line.tables && line.processes == 0 && line.threads == 0) line.processes = default_ranks();
  const int ranks = std::max(line.processes, line.threads);
  if (ranks > 0 && line.root >= ranks)
    reject(fmt::format("-r {}: there are {} ranks", line.root, ranks));
  check_json(line.json);
}

void check_algorithm(const CommandLine& line) {
  if (line.algorithm.empty() || line.list ||
      line.algorithm.find_first_of(":,") != std::string::npos)
    return;
  std::vector<std::string_view> names;
  for (const AlgorithmDescription& row : algorithms()) {
    if (std::find(line.collectives.begin(), line.collectives.end(), row.collective) ==
        line.collectives.end())
      continue;
    if (row.name == line.algorithm) return;
    names.push_back(row.name);
  }
  reject(fmt::format("--algorithm: '{}' is not one of {}", line.algorithm, fmt::join(names, ", ")));
}

}  // namespace

std::optional<std::size_t> parse_bytes(const std::string& text) {
  if (text.empty() || !std::isdigit(static_cast<unsigned char>(text.front()))) return std::nullopt;
  std::size_t used = 0;
  double number = 0;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  const std::string suffix = text.substr(used);
  if (suffix.size() > 1) return std::nullopt;
  if (!suffix.empty()) {
    const auto power = std::string("KMGT").find(
        static_cast<char>(std::toupper(static_cast<unsigned char>(suffix[0]))));
    if (power == std::string::npos) return std::nullopt;
    number = std::ldexp(number, 10 * (static_cast<int>(power) + 1));
  }
  if (!(number <= static_cast<double>(kLargestBytes)) || number != std::floor(number))
    return std::nullopt;
  return static_cast<std::size_t>(number);
}

std::vector<std::size_t> CommandLine::sizes() const {
  std::vector<std::size_t> all;
  std::size_t bytes = min_bytes;
  while (bytes <= max_bytes) {
    all.push_back(bytes);
    if (step_bytes > 0)
      bytes += step_bytes;
    else
      bytes = bytes == 0 ? step_factor : bytes * step_factor;
  }
  return all;
}

std::string CommandLine::algorithm_option() const {
  if (algorithm.find_first_of(":,") != std::string::npos) return algorithm;
  std::vector<std::string> parts;
  for (const AlgorithmDescription& row : algorithms()) {
    const bool measured =
        std::find(collectives.begin(), collectives.end(), row.collective) != collectives.end();
    if (measured && row.name == algorithm)
      parts.push_back(fmt::format("{}:{}", name(row.collective), algorithm));
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

std::variant<CommandLine, int> parse(int argc, char** argv) {
  CLI::App app(
      "Times and checks Sluice's collectives. With neither --ranks nor -t, the rank comes from the "
      "launcher's environment (torchrun, Slurm, Open MPI, MPICH).",
      "sluice-perf");
  CommandLine line;
  Texts texts;
  app.add_option("command", texts.command,
                 "A collective (all_reduce, all_to_all_v, ...), list (the catalogue), tables "
                 "(all_reduce and all_to_all on this host), or tune (write a tuning file; has "
                 "options of its own)")
      ->required();
  add_size_options(app, line, texts);
  add_measurement_options(app, line, texts);
  add_rank_options(app, line, texts);
  try {
    app.parse(argc, argv);
    finish(line, texts);
    check_algorithm(line);
  } catch (const CLI::ParseError& error) {
    constexpr int kUsageError = 2;
    return app.exit(error) == 0 ? 0 : kUsageError;  // 0: help was asked for
  }
  return line;
}

}  // namespace sluice::perf
