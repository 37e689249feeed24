// What a run prints: the table on stdout, JSON lines in a file, progress on stderr.
#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "sluice_perf/options.hpp"

namespace sluice::perf {

/// The facts about a run that do not change from row to row.
struct Setting {
  int ranks;
  int threads;  // ranks in each process
  bool pinned;
  std::string device;  // its name; empty: none
};

/// A row: one collective, type, operator, root and size; out of place and in place side by side.
struct Row {
  Collective collective{};
  DataType type{};
  ReduceOp op{};
  int root = 0;
  std::size_t bytes = 0;
  std::size_t count = 0;
  std::optional<Measurement> out_of_place;
  std::optional<Measurement> in_place;
};

/// A line on stderr that says which cell is being measured: rewritten in place on a terminal, else
/// one line every few seconds.
class Progress {
 public:
  void show(const std::string& text);
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool shown_ = false;
  Clock::time_point last_ = Clock::now();
};

/// Used by rank 0 only.
class Report {
 public:
  Report(const CommandLine& line, const Setting& setting) : line_(line), setting_(setting) {}

  /// Opens the JSON file and prints the header. False, with a message: the file cannot be written.
  bool begin();
  void section(Collective collective);
  void note(const std::string& text);
  void row(const Row& row);
  /// Prints the sums. False: not everything could be written to the JSON file.
  bool end();
  Progress& progress() { return progress_; }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void write_json(const Row& row, const Measurement& measurement, bool in_place);
  void add(const Row& row, const Measurement& measurement, bool in_place);
  std::string columns(const Row& row, const std::optional<Measurement>& measurement) const;
  double busbw_gbs(const Row& row, const Measurement& measurement) const;

  const CommandLine& line_;
  Setting setting_;
  Progress progress_;
  std::unique_ptr<std::FILE, CloseFile> json_;
  std::uint64_t wrong_ = 0;
  bool checked_ = false;
  bool json_failed_ = false;
  double busbw_sum_ = 0;
  int busbw_cells_ = 0;
};

/// The catalogue, as `sluice-perf list` prints it.
void print_catalogue();
/// The same with `--markdown`: the table of docs/algorithms.md.
void print_catalogue_markdown();

/// GB/s as the table and the JSON have them; 0 for an empty cell.
double algorithm_bandwidth_gbs(std::size_t bytes, double time_us);

}  // namespace sluice::perf
