#include "sluice_perf/tune.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "bootstrap/launch_plan.hpp"
#include "communicator/impl.hpp"
#include "plan/tuning.hpp"
#include "sluice_commit.hpp"
#include "sluice_perf/machine.hpp"
#include "sluice_perf/report.hpp"
#include "sluice_perf/run_ranks.hpp"

namespace sluice::perf {
namespace {

// Memory lies elsewhere in every process, and a communicator measures for some milliseconds: so
// several of both. Odd, so that every median is one that was measured.
constexpr int kRounds = 5;
constexpr int kCommunicators = 5;

struct TuneLine {
  std::vector<int> processes;  // numbers of ranks
  std::vector<int> threads;
  std::string output;
  bool launched = false;  // this process is one rank of a launcher's
};

/// What was measured under one key, by one communicator after the other.
struct Samples {
  TuningKey key;
  std::vector<CostModel> models;
};

class Collection {
 public:
  void add(const TuningEntry& entry) {
    const auto known = std::find_if(all_.begin(), all_.end(),
                                    [&](const Samples& each) { return each.key == entry.key; });
    Samples& samples = known != all_.end() ? *known : all_.emplace_back(Samples{entry.key, {}});
    samples.models.push_back(entry.figures);
  }
  const std::vector<Samples>& all() const { return all_; }

 private:
  std::vector<Samples> all_;
};

/// One rank: makes communicators one after the other, and on rank 0 collects what they measured.
int sample(const Place& place, int communicators, Collection& collection) {
  auto first = place.id ? Communicator::create(*place.id, place.rank, place.ranks)
                        : Communicator::from_environment();
  if (!first.ok()) return report_error(place.known_rank(), first.status());
  const int rank = first->rank();
  if (rank == 0) collection.add(first->impl().tuning());
  for (int i = 1; i < communicators; ++i) {
    auto next = first->split(0, rank);
    if (!next.ok()) return report_error(rank, next.status());
    if (rank == 0) collection.add(next->impl().tuning());
  }
  return 0;
}

/// Each sample as the text of a tuning file with one entry, ended by a zero.
bool write_samples(const Fd& to, const Collection& collection) {
  std::string text;
  for (const Samples& samples : collection.all())
    for (const CostModel& model : samples.models) {
      text += format_tuning({{{samples.key, model, {}}}});
      text += '\0';
    }
  return ::write(to.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool read_samples(const Fd& from, Collection& collection) {
  std::string text;
  char chunk[4096];
  for (;;) {
    const ssize_t got = ::read(from.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(chunk, static_cast<std::size_t>(got));
  }
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\0', begin), text.size());
    const auto sent = parse_tuning(text.substr(begin, end - begin), "of rank 0");
    if (!sent.ok()) return false;
    for (const TuningEntry& entry : sent.value().entries) collection.add(entry);
    begin = end + 1;
  }
  return true;
}

/// Rank 0's samples come back through a pipe. They fit in it, so nobody needs to read meanwhile.
int sample_processes(int ranks, Collection& collection) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    fmt::print(stderr, "sluice-perf: no pipe: {}\n", std::strerror(errno));
    return 1;
  }
  Fd from(ends[0]), to(ends[1]);
  const int code = run_processes(ranks, [&](const Place& place) {
    Collection mine;
    if (const int failed = sample(place, kCommunicators, mine); failed != 0) return failed;
    return place.rank != 0 || write_samples(to, mine) ? 0 : 1;
  });
  to.reset();
  if (code != 0) return code;
  return read_samples(from, collection) ? 0 : 1;
}

int sample_threads(int ranks, Collection& collection) {
  return run_threads(ranks, [&](const Place& place) {
    Collection others;  // stays empty
    return sample(place, kCommunicators, place.rank == 0 ? collection : others);
  });
}

/// All rounds over all numbers of ranks, so that a bad minute of the machine hits each of them.
int sample_all(const TuneLine& line, Collection& collection) {
  if (line.launched) return sample({}, kRounds * kCommunicators, collection);
  Progress progress;
  int code = 0;
  // Threads last: no process can be forked from one that has had some.
  for (int round = 1; round <= kRounds && code == 0; ++round)
    for (const int ranks : line.processes) {
      progress.show(fmt::format("round {} of {}: {} processes", round, kRounds, ranks));
      if (code == 0) code = sample_processes(ranks, collection);
    }
  for (int round = 1; round <= kRounds && code == 0; ++round)
    for (const int ranks : line.threads) {
      progress.show(fmt::format("round {} of {}: {} threads", round, kRounds, ranks));
      if (code == 0) code = sample_threads(ranks, collection);
    }
  progress.clear();
  return code;
}

/// Four significant digits: more than any measurement is worth, and a file that people can read.
double rounded(double value) { return std::strtod(fmt::format("{:.4g}", value).c_str(), nullptr); }

TuningEntry summary(const Samples& samples) {
  TuningEntry entry{samples.key, median(samples.models), {}};
  for (const Figure& figure : figures())
    if (figure.number != nullptr)
      entry.figures.*figure.number = rounded(entry.figures.*figure.number);
  entry.note = fmt::format("sluice-perf tune {} on {}, {:%Y-%m-%d}: medians of {} communicators",
                           SLUICE_COMMIT, host_name(), fmt::gmtime(std::time(nullptr)),
                           samples.models.size());
  return entry;
}

void print(const Samples& samples, const TuningEntry& entry) {
  fmt::print("# {}: {} communicators\n", samples.key.text(), samples.models.size());
  fmt::print("# {:<28}{:>12}{:>12}{:>12}\n", "figure", "median", "least", "most");
  for (const Figure& figure : figures()) {
    if (!has_figure(samples.key, figure)) continue;
    if (figure.choice != nullptr) {
      const auto agreeing =
          std::count_if(samples.models.begin(), samples.models.end(), [&](const CostModel& each) {
            return each.*figure.choice == entry.figures.*figure.choice;
          });
      fmt::print("  {:<28}{:>12}{:>12}\n", figure.name, entry.figures.*figure.choice,
                 fmt::format("{} of {}", agreeing, samples.models.size()));
      continue;
    }
    const auto [least, most] = std::minmax_element(
        samples.models.begin(), samples.models.end(), [&](const auto& one, const auto& other) {
          return one.*figure.number < other.*figure.number;
        });
    fmt::print("  {:<28}{:>12.4g}{:>12.4g}{:>12.4g}\n", figure.name, entry.figures.*figure.number,
               (*least).*figure.number, (*most).*figure.number);
  }
}

/// What the file has already.
Result<Tuning> read_if_there(const std::string& path) {
  return std::filesystem::exists(path) ? read_tuning(path) : Tuning();
}

/// Puts the summaries among what the file had.
int write_file(const std::string& path, Tuning tuning, const Collection& collection) {
  for (const Samples& samples : collection.all()) {
    TuningEntry entry = summary(samples);
    print(samples, entry);
    tuning.put(std::move(entry));
  }
  if (const Status written = write_tuning(path, tuning); !written.ok())
    return report_error(0, written);
  fmt::print("# written to {}: use it with SLUICE_TUNING={}\n", path, path);
  return 0;
}

/// Two ranks, four, eight, ..., and one for each core.
std::vector<int> usual_ranks() {
  std::vector<int> counts;
  const int most = default_ranks();
  for (int ranks = 2; ranks < most; ranks *= 2) counts.push_back(ranks);
  counts.push_back(most);
  return counts;
}

/// Whether a launcher started this process as one of several ranks.
bool is_launched() {
  const auto plan = bootstrap::plan_launch(
      {[](const char* name) { return environment::text(name); }, [] { return std::string("-"); }});
  return !plan.ok() || plan.value().size > 1;  // what makes no sense is reported when it joins
}

std::optional<int> parse(int argc, char** argv, TuneLine& line) {
  CLI::App app(
      "Measures the links among ranks and writes a tuning file, or adds to one. Started by a "
      "launcher, for its ranks; else for ranks that it starts itself: without --ranks and -t "
      "for 2, 4, 8, ... processes and one for each core.",
      "sluice-perf tune");
  constexpr int kMostRanks = 4096;
  app.add_option("--ranks", line.processes, "Numbers of ranks that are processes")
      ->check(CLI::Range(2, kMostRanks));
  app.add_option("-t,--nthreads", line.threads, "Numbers of ranks that are threads")
      ->check(CLI::Range(2, kMostRanks));
  line.output = environment::text("SLUICE_TUNING", "sluice-tuning.json");
  app.add_option("--output", line.output,
                 "The file (default: SLUICE_TUNING, or sluice-tuning.json)");
  try {
    app.parse(argc - 1, argv + 1);
  } catch (const CLI::ParseError& error) {
    constexpr int kUsageError = 2;
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  if (!line.processes.empty() || !line.threads.empty()) return std::nullopt;
  line.launched = is_launched();
  if (!line.launched) line.processes = usual_ranks();
  return std::nullopt;
}

}  // namespace

int tune(int argc, char** argv) {
  TuneLine line;
  if (const auto code = parse(argc, argv, line)) return *code;
  ::unsetenv("SLUICE_TUNING");               // or the ranks would read what they are to measure
  auto before = read_if_there(line.output);  // better now than after the measurement
  if (!before.ok()) return report_error(0, before.status());
  Collection collection;
  if (const int code = sample_all(line, collection); code != 0) return code;
  if (collection.all().empty()) return 0;  // another rank of a launcher's writes the file
  return write_file(line.output, std::move(before).value(), collection);
}

}  // namespace sluice::perf
