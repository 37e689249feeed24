#include "sluice_perf/report.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/environment.hpp"
#include "sluice_commit.hpp"
#include "sluice_perf/machine.hpp"

namespace sluice::perf {
namespace {

/// Four significant digits or all before the point, in `width` columns.
std::string figure(double value, int width) {
  const int decimals = value < 10 ? 3 : value < 100 ? 2 : value < 1000 ? 1 : 0;
  return fmt::format("{:>{}.{}f}", value, width, decimals);
}

constexpr int kTimeWidth = 10;
constexpr int kBandwidthWidth = 8;
constexpr int kWrongWidth = 8;

int side_width(bool verbose) {
  return kTimeWidth * (verbose ? 3 : 1) + 2 * kBandwidthWidth + kWrongWidth;
}

std::string type_name(const Row& row) {
  return moves_data(row.collective) ? std::string(name(row.type)) : "none";
}
std::string op_name(const Row& row) {
  return reduces(row.collective) ? std::string(name(row.op)) : "none";
}

/// What the library was told, by the environment (which overrides) or by us.
std::string effective_algorithm(const CommandLine& line) {
  return environment::text("SLUICE_ALGORITHM",
                           line.algorithm.empty() ? "auto" : line.algorithm.c_str());
}
std::string effective_transport(const CommandLine& line) {
  return environment::text("SLUICE_TRANSPORT", line.transport.c_str());
}

std::string plural(int count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

double algorithm_bandwidth_gbs(std::size_t bytes, double time_us) {
  return time_us > 0 ? static_cast<double>(bytes) / time_us * 1e-3 : 0;
}

void Progress::show(const std::string& text) {
  constexpr auto kInterval = std::chrono::seconds(5);
  if (isatty(STDERR_FILENO) != 0) {
    fmt::print(stderr, "\r\033[K{}", text);
    shown_ = true;
  } else if (Clock::now() - last_ >= kInterval) {
    fmt::print(stderr, "{}\n", text);
    last_ = Clock::now();
  }
}

void Progress::clear() {
  if (shown_) fmt::print(stderr, "\r\033[K");
  shown_ = false;
}

bool Report::begin() {
  if (!line_.json.empty()) {
    json_.reset(std::fopen(line_.json.c_str(), "ae"));
    if (!json_) {
      fmt::print(stderr, "sluice-perf: cannot write {}: {}\n", line_.json, std::strerror(errno));
      return false;
    }
  }
  fmt::print("# sluice-perf {} ({})\n", SLUICE_VERSION, SLUICE_COMMIT);
  fmt::print("# {}: {}, {}\n", host_name(), describe_machine(), plural(usable_cores(), "core"));
  fmt::print("# {}, {} in each process, {}; transport {}, algorithm {}, {} memory\n",
             plural(setting_.ranks, "rank"), setting_.threads,
             setting_.pinned ? "bound to cores" : "not bound to cores", effective_transport(line_),
             effective_algorithm(line_), name(line_.memory));
  return true;
}

void Report::section(Collective collective) {
  const int width = side_width(line_.verbose);
  std::string titles = fmt::format("{:>{}}", "time", kTimeWidth);
  std::string units = fmt::format("{:>{}}", "(us)", kTimeWidth);
  if (line_.verbose) {
    titles += fmt::format("{:>{}}{:>{}}", "min", kTimeWidth, "max", kTimeWidth);
    units += fmt::format("{:>{}}{:>{}}", "(us)", kTimeWidth, "(us)", kTimeWidth);
  }
  titles += fmt::format("{:>{}}{:>{}}{:>{}}", "algbw", kBandwidthWidth, "busbw", kBandwidthWidth,
                        "#wrong", kWrongWidth);
  units += fmt::format("{:>{}}{:>{}}{:>{}}", "(GB/s)", kBandwidthWidth, "(GB/s)", kBandwidthWidth,
                       "", kWrongWidth);
  progress_.clear();
  fmt::print("#\n# {}\n", name(collective));
  fmt::print("#{:51}{:>{}}{:>{}}\n", "", "out-of-place", width, "in-place", width);
  fmt::print("#{:>12}{:>14}{:>10}{:>8}{:>7}{}{}\n", "size", "count", "type", "redop", "root",
             titles, titles);
  fmt::print("#{:>12}{:>14}{:>10}{:>8}{:>7}{}{}\n", "(B)", "(elements)", "", "", "", units, units);
  std::fflush(stdout);
}

void Report::note(const std::string& text) {
  progress_.clear();
  fmt::print("# {}\n", text);
}

double Report::busbw_gbs(const Row& row, const Measurement& measurement) const {
  return algorithm_bandwidth_gbs(row.bytes, measurement.median_us) *
         bus_factor(row.collective, setting_.ranks);
}

std::string Report::columns(const Row& row, const std::optional<Measurement>& measurement) const {
  if (!measurement) return fmt::format("{:>{}}", "-", side_width(line_.verbose));
  std::string text = figure(measurement->median_us, kTimeWidth);
  if (line_.verbose)
    text += figure(measurement->min_us, kTimeWidth) + figure(measurement->max_us, kTimeWidth);
  text += figure(algorithm_bandwidth_gbs(row.bytes, measurement->median_us), kBandwidthWidth);
  text += figure(busbw_gbs(row, *measurement), kBandwidthWidth);
  return text + fmt::format("{:>{}}",
                            measurement->checked ? std::to_string(measurement->wrong) : "N/A",
                            kWrongWidth);
}

void Report::row(const Row& row) {
  progress_.clear();
  const int root = has_root(row.collective) ? row.root : -1;  // as in nccl-tests
  fmt::print("{:>13}{:>14}{:>10}{:>8}{:>7}{}{}\n", row.bytes, row.count, type_name(row),
             op_name(row), root, columns(row, row.out_of_place), columns(row, row.in_place));
  std::fflush(stdout);
  if (row.out_of_place) add(row, *row.out_of_place, false);
  if (row.in_place) add(row, *row.in_place, true);
}

void Report::add(const Row& row, const Measurement& measurement, bool in_place) {
  busbw_sum_ += busbw_gbs(row, measurement);
  ++busbw_cells_;
  wrong_ += measurement.wrong;
  checked_ = checked_ || measurement.checked;
  if (json_) write_json(row, measurement, in_place);
}

void Report::write_json(const Row& row, const Measurement& measurement, bool in_place) {
  nlohmann::ordered_json object{
      {"collective", name(row.collective)},
      {"type", type_name(row)},
      {"op", op_name(row)},
      {"ranks", setting_.ranks},
      {"threads", setting_.threads},
      {"bytes", row.bytes},
      {"in_place", in_place},
      {"algorithm", measurement.algorithm},
      {"transport", effective_transport(line_)},
      {"memory", name(line_.memory)},
      {"time_us",
       {{"min", measurement.min_us},
        {"median", measurement.median_us},
        {"max", measurement.max_us}}},
      {"algbw_gbs", algorithm_bandwidth_gbs(row.bytes, measurement.median_us)},
      {"busbw_gbs", busbw_gbs(row, measurement)},
      {"wrong", nullptr},
      {"host", host_name()},
      {"commit", SLUICE_COMMIT},
  };
  if (line_.memory == Memory::kCuda) {
    object["graph"] = line_.graph_calls;
    object["device"] = setting_.device;
  }
  if (measurement.checked) object["wrong"] = measurement.wrong;
  const std::string text = object.dump() + "\n";
  if (std::fputs(text.c_str(), json_.get()) >= 0 && std::fflush(json_.get()) == 0) return;
  fmt::print(stderr, "sluice-perf: cannot write {}: {}\n", line_.json, std::strerror(errno));
  json_failed_ = true;
  json_.reset();
}

bool Report::end() {
  progress_.clear();
  const double mean = busbw_cells_ > 0 ? busbw_sum_ / busbw_cells_ : 0;
  fmt::print("#\n# Average bus bandwidth: {:.3f} GB/s\n", mean);
  if (checked_)
    fmt::print("# Sum of #wrong: {} {}\n", wrong_, wrong_ == 0 ? "OK" : "FAILED");
  else
    fmt::print("# Sum of #wrong: nothing was checked\n");
  std::fflush(stdout);
  return !json_failed_;
}

void print_catalogue() {
  fmt::print("{:<18}{:<24}{:>10}  {:<8}{}\n", "collective", "algorithm", "max bytes", "needs",
             "cost; summary");
  for (const AlgorithmDescription& row : algorithms()) {
    const std::string limit = row.max_bytes == ~0ULL ? "any" : std::to_string(row.max_bytes);
    const char* needs = row.needs_direct   ? "direct"
                        : row.needs_mapped ? "mapped"
                        : row.needs_hosts  ? "hosts"
                                           : "-";
    fmt::print("{:<18}{:<24}{:>10}  {:<8}{}; {}\n", name(row.collective), row.name, limit, needs,
               row.cost, row.summary);
  }
}

void print_catalogue_markdown() {
  fmt::print(
      "| collective | algorithm | largest message | needs | cost | in short "
      "|\n|---|---|---:|---|---|---|\n");
  for (const AlgorithmDescription& row : algorithms()) {
    // The v-forms run the schedules of the plain ones; messages of any pattern are send_receive's.
    std::string folder(name(row.collective));
    if (row.name == "exchange") folder = name(Collective::kSendReceive);
    if (folder.ends_with("_v")) folder.resize(folder.size() - 2);
    fmt::print("| {} | [{}](../algorithms/{}/{}.hpp) | {} | {} | {} | {} |\n", name(row.collective),
               row.name, folder, row.name,
               row.max_bytes == ~0ULL ? "any" : std::to_string(row.max_bytes),
               row.needs_direct   ? "direct"
               : row.needs_mapped ? "mapped"
               : row.needs_hosts  ? "hosts"
                                  : "links",
               row.cost, row.summary);
  }
}

}  // namespace sluice::perf
