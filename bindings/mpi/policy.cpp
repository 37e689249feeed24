#include "bindings/mpi/policy.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "bindings/mpi/library.hpp"
#include "datatype/layout.hpp"

namespace sluice::mpi::policy {
namespace {

/// What MPI's functions without _c can say, and what we pass to them.
constexpr std::uint64_t kMostBytes = std::numeric_limits<int>::max();
constexpr std::uint64_t kAny = std::numeric_limits<std::int64_t>::max();
constexpr const char* kFormat = "sluice-mpi table 1";

struct Row {
  std::string library;
  std::string version;
  Call call = Call::kPack;
  std::string mover;
  Range smallest_block{0, kAny};
  Range packed_bytes{1, kAny};
  Way way = Way::kHost;
};

const std::vector<Row>& built_in() {
  static const std::vector<Row> rows = {
#include "bindings/mpi/policy_table.inc"
  };
  return rows;
}

struct State {
  std::vector<Row> rows;  ///< those that fit the library
  std::string table = "built in";
};

State& state() {
  static State* const instance =
      new State;  // never destroyed: calls may come until the process ends
  return *instance;
}

const char* variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : nullptr;
}

bool version_fits(const std::string& start, const std::string& version) {
  if (!version.starts_with(start)) return false;
  return start.empty() || version.size() == start.size() || version[start.size()] == '.';
}

bool mover_fits(const std::string& pattern, std::string_view mover) {
  if (pattern.ends_with('*'))
    return mover.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
  return pattern == mover;
}

bool library_fits(const Row& row) {
  constexpr const char* kFamilies[] = {"", "openmpi", "mpich", "abi"};
  return row.library == kFamilies[static_cast<int>(library.family)] &&
         version_fits(row.version, library.version);
}

std::optional<Range> range_of(const nlohmann::json& row, const char* field) {
  if (!row.contains(field)) return Range{0, kAny};
  const auto& pair = row[field];
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_unsigned()) return std::nullopt;
  if (pair[1].is_null()) return Range{pair[0].get<std::uint64_t>(), kAny};
  if (!pair[1].is_number_unsigned()) return std::nullopt;
  return Range{pair[0].get<std::uint64_t>(), pair[1].get<std::uint64_t>()};
}

std::optional<Call> call_of(const nlohmann::json& row) {
  constexpr const char* kNames[kCalls] = {"pack",    "unpack",     "send",
                                          "receive", "collective", "self"};
  for (int call = 0; call < kCalls; ++call)
    if (row.contains("call") && row["call"] == kNames[call]) return static_cast<Call>(call);
  return std::nullopt;
}

/// By its name in tables and in SLUICE_MPI_GPU.
std::optional<Way> way_named(std::string_view name) {
  if (name == "one-shot") return Way::kOneShot;
  if (name == "staged") return Way::kStaged;
  if (name == "device") return Way::kDevice;
  if (name == "off") return Way::kOff;
  return std::nullopt;
}

std::string text_of(const nlohmann::json& row, const char* field) {
  return row.contains(field) && row[field].is_string() ? row[field].get<std::string>()
                                                       : std::string();
}

/// The rows of a file; nothing if it is not a table, with the reason in `problem`.
std::optional<std::vector<Row>> read_table(const char* file, std::string& problem) {
  std::ifstream stream(file);
  if (!stream) return problem = "cannot be opened", std::nullopt;
  const auto all = nlohmann::json::parse(stream, nullptr, false);
  if (!all.is_object() || text_of(all, "format") != kFormat || !all.contains("rows") ||
      !all["rows"].is_array())
    return problem = std::string("is not a \"") + kFormat + "\"", std::nullopt;
  std::vector<Row> rows;
  for (const auto& each : all["rows"]) {
    const std::string memory = each.is_object() ? text_of(each, "memory") : std::string();
    if (each.is_object() && each.contains("memory") && memory != "host" && memory != "device")
      continue;
    const auto call = each.is_object() ? call_of(each) : std::nullopt;
    const auto way = memory == "device" ? way_named(text_of(each, "way")) : Way::kHost;
    const auto block = call ? range_of(each, "smallest_block") : std::nullopt;
    const auto bytes = call ? range_of(each, "packed_bytes") : std::nullopt;
    if (!block || !bytes || !way)
      return problem = "has a row that is none: " + each.dump(), std::nullopt;
    rows.push_back({text_of(each, "library"), text_of(each, "version"), *call,
                    text_of(each, "mover"), *block, *bytes, *way});
  }
  return rows;
}

Mode read_mode() {
  const char* const value = variable("SLUICE_MPI");
  if (value == nullptr) return Mode::kAll;
  const std::string_view text(value);
  if (text == "off") return Mode::kOff;
  if (text == "pack") return Mode::kPack;
  if (text == "all") return Mode::kAll;
  if (text == "always") return Mode::kAlways;
  std::fprintf(stderr, "sluice-mpi: SLUICE_MPI=%s is none of off, pack, all, always: off\n", value);
  return Mode::kOff;
}

std::int64_t read_limit() {
  constexpr std::int64_t kDefaultMb = 256;
  const char* const value = variable("SLUICE_MPI_BUFFER_MB");
  const long long mb = value != nullptr ? std::atoll(value) : kDefaultMb;
  if (mb <= 0 || mb > (1LL << 30)) {
    std::fprintf(stderr, "sluice-mpi: SLUICE_MPI_BUFFER_MB=%s is no number of MiB: %lld\n", value,
                 static_cast<long long>(kDefaultMb));
    return kDefaultMb << 20;
  }
  return std::int64_t{mb} << 20;
}

std::optional<Way> read_forced_way() {
  const char* const value = variable("SLUICE_MPI_GPU");
  if (value == nullptr || std::string_view(value) == "auto") return std::nullopt;
  const auto way = way_named(value);
  if (!way)
    std::fprintf(stderr,
                 "sluice-mpi: SLUICE_MPI_GPU=%s is none of auto, off, one-shot, staged, device: "
                 "auto\n",
                 value);
  return way;
}

/// Whether a row's type is of this kind.
bool type_fits(const Row& row, const datatype::Layout& layout) {
  const auto block = static_cast<std::uint64_t>(layout.smallest_block());
  return block >= row.smallest_block.first && block <= row.smallest_block.last &&
         mover_fits(row.mover, layout.mover_name());
}

bool concerns_contiguous(Call call) { return call == Call::kPack || call == Call::kUnpack; }

}  // namespace

Range Range::with(Range other) const {
  if (empty()) return other;
  return other.empty() ? *this : Range{std::min(first, other.first), std::max(last, other.last)};
}

void Window::add(Range range) {
  range.first = std::max<std::uint64_t>(range.first, 1);
  range.last = std::min(range.last, kMostBytes);
  if (range.first > range.last) return;
  hull_ = hull_.with(range);
  if (core_.empty() || range.last - range.first > core_.last - core_.first) core_ = range;
  ranges_.push_back(range);
}

bool Window::in_one(std::uint64_t bytes) const {
  return std::any_of(ranges_.begin(), ranges_.end(), [bytes](const Range& range) {
    return bytes >= range.first && bytes <= range.last;
  });
}

Mode mode() {
  static const Mode value = read_mode();
  return value;
}

std::int64_t buffer_limit_bytes() {
  static const std::int64_t value = read_limit();
  return value;
}

void load() {
  std::vector<Row> rows = built_in();
  if (const char* const file = variable("SLUICE_MPI_TABLE"); file != nullptr) {
    state().table = file;
    std::string problem;
    auto read = read_table(file, problem);
    if (!read)
      std::fprintf(stderr, "sluice-mpi: SLUICE_MPI_TABLE=%s %s: every call is passed on\n", file,
                   problem.c_str());
    rows = read ? std::move(*read) : std::vector<Row>();
  }
  std::erase_if(rows, [](const Row& row) { return !library_fits(row); });
  state().rows = std::move(rows);
}

const std::string& table_name() { return state().table; }

void choose(const datatype::Layout* layout, Window (&windows)[kCalls]) {
  if (layout == nullptr || layout->size() <= 0 ||
      static_cast<std::uint64_t>(layout->size()) > kMostBytes)
    return;
  for (int call = 0; call < kCalls; ++call) {
    if (layout->contiguous() && !concerns_contiguous(static_cast<Call>(call))) continue;
    if (mode() == Mode::kAlways) {
      windows[call].add({1, kAny});
      continue;
    }
    for (const Row& row : state().rows)
      if (row.way == Way::kHost && row.call == static_cast<Call>(call) && type_fits(row, *layout))
        windows[call].add(row.packed_bytes);
  }
}

std::vector<DeviceRange> device_ranges(const datatype::Layout* layout) {
  std::vector<DeviceRange> ranges;
  if (layout == nullptr || layout->size() <= 0) return ranges;
  for (const Row& row : state().rows)
    if (row.way != Way::kHost && type_fits(row, *layout))
      ranges.push_back({row.call, row.packed_bytes, row.way});
  return ranges;
}

const Way* forced_way() {
  static const std::optional<Way> value = read_forced_way();
  return value ? &*value : nullptr;
}

bool leaves_devices() {
  const Way* const forced = forced_way();
  return forced != nullptr && *forced == Way::kOff;
}

}  // namespace sluice::mpi::policy
