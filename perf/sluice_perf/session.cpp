#include "sluice_perf/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "bootstrap/launcher.hpp"
#include "sluice_perf/device_side.hpp"
#include "sluice_perf/machine.hpp"
#include "sluice_perf/report.hpp"

namespace sluice::perf {
namespace {

class Session {
 public:
  Session(const CommandLine& line, Communicator& communicator, const Setting& setting)
      : line_(line), communicator_(communicator), report_(line, setting) {
    if (communicator.rank() == 0) visible_ = &report_;
  }

  /// The number of wrong elements on all ranks.
  Result<std::uint64_t> run();

 private:
  struct Series {  // the rows of one collective that differ in size only
    Collective collective;
    DataType type;
    ReduceOp op;
    int root;
  };
  Status run_collective(Collective collective);
  Status run_series(const Series& series);
  Status run_row(const Series& series, const Workload& work);
  Result<Measurement> run_cell(const Series& series, const Workload& work, bool in_place);
  Workload workload(const Series& series, std::size_t bytes) const;
  std::size_t largest_bytes() const;
  std::uint64_t limit_bytes(Collective collective) const;

  const CommandLine& line_;
  Communicator& communicator_;
  Report report_;
  Report* visible_ = nullptr;  // on rank 0
  std::optional<Buffers> buffers_;
  std::optional<DeviceSide> device_;
  std::uint64_t wrong_ = 0;
};

/// `all` where the collective has a choice, else one value that does not matter.
template <class T>
std::vector<T> if_relevant(bool relevant, const std::vector<T>& all) {
  return relevant ? all : std::vector<T>(all.begin(), all.begin() + 1);
}

Workload Session::workload(const Series& series, std::size_t bytes) const {
  const Shape shape{series.collective, communicator_.rank(), communicator_.size(), series.root};
  return make_workload(shape, bytes / size_in_bytes(series.type));
}

std::size_t Session::largest_bytes() const {
  std::size_t largest = 0;
  for (const Collective collective : line_.collectives) {
    for (const DataType type : line_.types) {
      const Workload work = workload({collective, type, ReduceOp::kSum, 0}, line_.max_bytes);
      largest = std::max(largest, work.size_elems * size_in_bytes(type));
      // A small size may round up to one element for each rank.
      largest =
          std::max(largest, static_cast<std::size_t>(communicator_.size()) * size_in_bytes(type));
    }
  }
  return largest;
}

/// What the algorithm asked for accepts at most.
std::uint64_t Session::limit_bytes(Collective collective) const {
  for (const AlgorithmDescription& row : algorithms())
    if (row.collective == collective && row.name == line_.algorithm) return row.max_bytes;
  return std::numeric_limits<std::uint64_t>::max();
}

Result<std::uint64_t> Session::run() {
  if (line_.root >= communicator_.size())
    return fail(Errc::kInvalidArgument, "no such root",
                fmt::format("-r {}: there are {} ranks", line_.root, communicator_.size()));
  SLUICE_TRY_ASSIGN(buffers_, Buffers::create(largest_bytes(), line_.memory));
  if (line_.memory == Memory::kCuda) {
    SLUICE_TRY_ASSIGN(device_, DeviceSide::create(line_.graph_calls));
  }
  if (visible_ != nullptr && !visible_->begin()) return Status(Errc::kSystemError, "no JSON file");
  for (const Collective collective : line_.collectives) SLUICE_TRY(run_collective(collective));
  if (visible_ != nullptr && !visible_->end())
    return Status(Errc::kSystemError, "the JSON file is incomplete");
  SLUICE_TRY(communicator_.barrier());  // nobody leaves while another rank still works
  return wrong_;
}

Status Session::run_collective(Collective collective) {
  if (visible_ != nullptr) visible_->section(collective);
  std::vector<int> roots{std::max(line_.root, 0)};
  if (has_root(collective) && line_.root == CommandLine::kAllRoots) {
    roots.clear();
    for (int root = 0; root < communicator_.size(); ++root) roots.push_back(root);
  }
  for (const DataType type : if_relevant(moves_data(collective), line_.types))
    for (const ReduceOp op : if_relevant(reduces(collective), line_.ops))
      for (const int root : roots) SLUICE_TRY(run_series({collective, type, op, root}));
  return {};
}

Status Session::run_series(const Series& series) {
  const std::uint64_t limit = limit_bytes(series.collective);
  std::size_t previous_bytes = std::numeric_limits<std::size_t>::max();
  for (const std::size_t asked_bytes : line_.sizes()) {
    const Workload work = workload(series, asked_bytes);
    const std::size_t bytes = work.size_elems * size_in_bytes(series.type);
    if (bytes == previous_bytes) continue;  // rounded to the same
    previous_bytes = bytes;
    if (work.message_elems() * size_in_bytes(series.type) > limit) {
      if (visible_ != nullptr)
        visible_->note(fmt::format("{} takes messages of at most {} bytes: larger sizes left out",
                                   line_.algorithm, limit));
      return {};
    }
    SLUICE_TRY(run_row(series, work));
  }
  return {};
}

Status Session::run_row(const Series& series, const Workload& work) {
  Row row;
  row.collective = series.collective;
  row.type = series.type;
  row.op = series.op;
  row.root = series.root;
  row.bytes = work.size_elems * size_in_bytes(series.type);
  row.count = work.count;
  if (line_.out_of_place || !work.has_in_place) {
    SLUICE_TRY_ASSIGN(row.out_of_place, run_cell(series, work, false));
  }
  if (line_.in_place && work.has_in_place) {
    SLUICE_TRY_ASSIGN(row.in_place, run_cell(series, work, true));
  }
  if (visible_ != nullptr) visible_->row(row);
  return {};
}

Result<Measurement> Session::run_cell(const Series& series, const Workload& work, bool in_place) {
  if (visible_ != nullptr)
    visible_->progress().show(fmt::format(
        "{} {} {} B {}", name(series.collective), name(series.type),
        work.size_elems * size_in_bytes(series.type), in_place ? "in place" : "out of place"));
  const Cell cell{work, series.type, series.op, in_place, *buffers_};
  SLUICE_TRY_ASSIGN(Measurement measurement,
                    measure(communicator_, cell, line_.timing, device_ ? &*device_ : nullptr));
  wrong_ += measurement.wrong;
  return measurement;
}

/// Which of this host's ranks it is.
Result<int> rank_on_host(const Place& place) {
  if (place.id) return place.rank;
  SLUICE_TRY_ASSIGN(const LaunchInfo info, launch_from_environment());
  return info.local_rank < 0 ? info.rank : info.local_rank;
}

/// The rank's device, from now on the calling thread's.
Result<int> use_device(const Place& place) {
  SLUICE_TRY_ASSIGN(const int rank, rank_on_host(place));
  SLUICE_TRY_ASSIGN(const int device, device_of(rank));
  SLUICE_TRY(device::use(device));
  return device;
}

bool should_pin(const CommandLine& line, const Place& place) {
  // A launcher binds its ranks itself, if it was asked to.
  return line.pin.value_or(place.id.has_value() && place.ranks <= usable_cores());
}

}  // namespace

int report_error(int rank, Status status) {
  const std::string who = rank == kUnknownRank ? "this rank" : fmt::format("rank {}", rank);
  fmt::print(stderr, "sluice-perf: {}: {}: {}\n", who, name(status.code()),
             last_error().empty() ? status.what() : last_error());
  return 1;
}

int run_rank(const CommandLine& line, const Place& place) {
  const bool pinned = should_pin(line, place);
  // Before joining, so that what the library allocates is near the core. The environment's rank is
  // known later.
  if (pinned && place.id && !pin_to_core(place.rank))
    fmt::print(stderr, "sluice-perf: rank {} cannot be bound to a core\n", place.rank);

  Options options;
  options.transport = line.transport;
  options.algorithm = line.algorithm_option();
  std::string device_name;
  if (line.memory == Memory::kCuda) {
    const auto device = use_device(place);
    if (!device.ok()) return report_error(place.rank, device.status());
    options.device = device.value();
    options.strands = line.strands;
    if (const auto facts = device::facts(options.device); facts.ok())
      device_name = facts.value().name;
  }
  if (line.timeout_s > 0)
    options.timeout = std::chrono::milliseconds(static_cast<long long>(line.timeout_s * 1000));
  auto communicator = place.id ? Communicator::create(*place.id, place.rank, place.ranks, options)
                               : Communicator::from_environment(options);
  if (!communicator.ok()) return report_error(place.known_rank(), communicator.status());
  if (pinned && !place.id && !pin_to_core(communicator->rank()))
    fmt::print(stderr, "sluice-perf: rank {} cannot be bound to a core\n", communicator->rank());

  Session session(line, communicator.value(),
                  {communicator->size(), place.threads, pinned, device_name});
  const auto wrong = session.run();
  if (!wrong.ok()) {
    const int code = report_error(communicator->rank(), wrong.status());
    // An error of this tool alone: let the others not wait for the time-out.
    static_cast<void>(communicator->abort());
    return code;
  }
  return wrong.value() == 0 ? 0 : 1;
}

}  // namespace sluice::perf
