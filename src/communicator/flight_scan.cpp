#include "communicator/flight_scan.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

#include "base/fd.hpp"

namespace sluice {
namespace {

/// One process's /proc/<pid>/status.
struct ProcessStatus {
  ProcessSight sight;
  uid_t user = 0;
  pid_t own_pid = 0;  // as it sees itself, in the innermost PID namespace
};

/// A segment, and who holds it open.
struct Found {
  std::string place;  // "pid 12, descriptor 7"
  std::variant<RankFlight, std::string> flight;
  std::vector<const ProcessStatus*> holders;
};

/// One look at the whole host.
class Scan {
 public:
  explicit Scan(std::optional<pid_t> only) : only_(only) {}
  FlightScan run();

 private:
  void look_at_process(pid_t pid);
  void look_at_descriptor(const ProcessStatus& process, const std::string& number);
  void skip(std::string sentence) { result_.skipped.push_back(std::move(sentence)); }
  bool wanted(const SeenCommunicator& communicator) const;

  std::optional<pid_t> only_;
  std::map<pid_t, ProcessStatus> processes_;
  std::map<std::pair<dev_t, ino_t>, Found> found_;
  FlightScan result_;
};

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Nothing when the process has ended.
std::optional<ProcessStatus> status_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  ProcessStatus status;
  status.sight.pid = status.own_pid = pid;
  bool has_user = false;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    words >> key;
    if (key == "Name:") words >> std::ws, std::getline(words, status.sight.command);
    if (key == "State:") words >> status.sight.state;
    if (key == "Uid:") has_user = static_cast<bool>(words >> status.user);
    if (key == "NSpid:")
      for (pid_t inner = 0; words >> inner;) status.own_pid = inner;
  }
  if (!has_user) return std::nullopt;
  return status;
}

/// The header of a segment, mapped read-only.
class MappedHeader {
 public:
  explicit MappedHeader(const Fd& file)
      : data_(::mmap(nullptr, sizeof(SegmentHeader), PROT_READ, MAP_SHARED, file.get(), 0)) {}
  ~MappedHeader() {
    if (data_ != MAP_FAILED) ::munmap(data_, sizeof(SegmentHeader));
  }
  MappedHeader(const MappedHeader&) = delete;
  MappedHeader& operator=(const MappedHeader&) = delete;
  const SegmentHeader* get() const {
    return data_ == MAP_FAILED ? nullptr : static_cast<const SegmentHeader*>(data_);
  }

 private:
  void* data_;
};

std::variant<RankFlight, std::string> read_file(const Fd& file, const struct stat& about) {
  const auto bytes = static_cast<std::uint64_t>(about.st_size);
  if (!S_ISREG(about.st_mode) || about.st_size < 0 || bytes < sizeof(SegmentHeader))
    return fmt::format("has {} bytes, a segment's header {}", about.st_size, sizeof(SegmentHeader));
  // A file that shrinks under a mapping would end this process with SIGBUS.
  const int seals = ::fcntl(file.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return "is not sealed against shrinking";
  const MappedHeader header(file);
  if (header.get() == nullptr) return fmt::format("cannot be mapped: {}", std::strerror(errno));
  return read_flight(*header.get(), bytes);
}

void Scan::look_at_descriptor(const ProcessStatus& process, const std::string& number) {
  const std::string path = fmt::format("/proc/{}/fd/{}", process.sight.pid, number);
  // Not blocking: nothing that bears a memfd's name should, but a name proves nothing.
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about = {};
  const std::string place = fmt::format("pid {}, descriptor {}", process.sight.pid, number);
  if (!file || ::fstat(file.get(), &about) != 0) {
    if (errno != ENOENT && errno != ESRCH) skip(fmt::format("{}: {}", place, std::strerror(errno)));
    return;
  }
  const auto [entry, is_new] = found_.try_emplace({about.st_dev, about.st_ino});
  if (is_new) {
    entry->second.place = place;
    entry->second.flight = read_file(file, about);
  }
  entry->second.holders.push_back(&process);
}

void Scan::look_at_process(pid_t pid) {
  static const std::string kName = fmt::format("/memfd:sluice-{} ", kSegmentLabel);
  auto status = status_of(pid);
  if (!status) return;
  std::error_code error;
  std::filesystem::directory_iterator descriptors(fmt::format("/proc/{}/fd", pid), error);
  // Other users' processes are none of ours to mention.
  if (error && pid != only_ && status->user != ::geteuid()) return;
  if (error && error != std::errc::no_such_file_or_directory && status->sight.state != 'Z')
    return skip(fmt::format("pid {}: its descriptors: {}", pid, error.message()));
  const ProcessStatus& process = processes_[pid] = std::move(*status);
  while (!error && descriptors != std::filesystem::directory_iterator()) {
    std::error_code closed;  // meanwhile
    const std::string target = std::filesystem::read_symlink(descriptors->path(), closed).string();
    if (!closed && target.starts_with(kName))
      look_at_descriptor(process, descriptors->path().filename().string());
    descriptors.increment(error);
  }
}

/// The process whose rank it is, among those that hold its segment.
std::optional<ProcessSight> owner_of(const Found& found, const RankFlight& flight) {
  for (const ProcessStatus* holder : found.holders)
    if (holder->own_pid == flight.pid) return holder->sight;
  return std::nullopt;
}

bool Scan::wanted(const SeenCommunicator& communicator) const {
  return !only_ ||
         std::any_of(communicator.seen.begin(), communicator.seen.end(), [&](const SeenRank& rank) {
           return rank.process && rank.process->pid == *only_;
         });
}

FlightScan Scan::run() {
  std::error_code error;
  std::filesystem::directory_iterator entries("/proc", error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error))
    if (const auto pid = number_of<pid_t>(entries->path().filename().string()))
      look_at_process(*pid);

  std::map<std::uint64_t, SeenCommunicator> communicators;
  for (auto& [file, found] : found_) {
    if (const auto* wrong = std::get_if<std::string>(&found.flight)) {
      skip(fmt::format("{}: {}", found.place, *wrong));
      continue;
    }
    auto& flight = std::get<RankFlight>(found.flight);
    SeenCommunicator& communicator = communicators[flight.communicator];
    communicator.id = flight.communicator;
    communicator.ranks = std::max(communicator.ranks, flight.ranks);
    communicator.seen.push_back({.flight = flight, .process = owner_of(found, flight)});
  }
  for (auto& [id, communicator] : communicators) {
    std::stable_sort(
        communicator.seen.begin(), communicator.seen.end(),
        [](const SeenRank& a, const SeenRank& b) { return a.flight.rank < b.flight.rank; });
    if (wanted(communicator)) result_.communicators.push_back(std::move(communicator));
  }
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  result_.at_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
  return std::move(result_);
}

}  // namespace

FlightScan scan_flights(std::optional<pid_t> only) { return Scan(only).run(); }

}  // namespace sluice
