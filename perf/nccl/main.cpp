// sluice-nccl-perf: what the NCCL door costs. Each figure is printed beside its limit, as text and,
// with --json FILE, as a line of JSON behind one that says where and how; the program ends with 1
// when one is above.
//
//   call     ns that the door adds to the C++ call: all_reduce of 4 bytes on a communicator of one
//            rank, so that no peer is waited for; medians of interleaved rounds
//   start    ms from ncclCommInitRank to its return on the last of 8 processes of this host that
//            begin together; the library's first communicator in each
//   memory   MiB that a rank of them holds after that and an all-reduce of 4 MiB more than before
//            (not counting its buffer): the mean of all ranks, a page that several map in equal
//            shares (PSS). Beside it what each process maps (RSS), where such pages count every
//            time
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "bindings/nccl/nccl.h"
#include "sluice/sluice.hpp"
#include "sluice_commit.hpp"
#include "sluice_perf/machine.hpp"

namespace {

using Clock = std::chrono::steady_clock;  // one for all processes of a host

constexpr double kCallLimitNs = 200, kStartLimitMs = 100, kMemoryLimitMib = 20;
constexpr int kMaxRanks = 64;

struct Figure {
  std::string name, unit;
  std::vector<double> rounds;  // the median counts
  double limit;
  std::string details;
};

double since(Clock::time_point begin) {
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Nanoseconds of one call; negative when one failed.
template <class Call>
double time_of(int calls, Call call) {
  const auto begin = Clock::now();
  for (int i = 0; i < calls; ++i)
    if (!call()) return -1;
  return since(begin) / calls;
}

bool measure_call(std::vector<Figure>& figures) {
  constexpr int kRounds = 31, kCalls = 50'000;
  ncclUniqueId id;
  ncclComm_t door = nullptr;
  const auto own_id = sluice::UniqueId::create();
  if (!own_id.ok() || ncclGetUniqueId(&id) != ncclSuccess) return false;
  auto own = sluice::Communicator::create(own_id.value(), 0, 1);
  if (!own.ok() || ncclCommInitRank(&door, 1, id, 0) != ncclSuccess) return false;
  float in = 1, out = 0;
  std::vector<double> directly, through, added;
  for (int round = 0; round < kRounds; ++round) {
    directly.push_back(time_of(kCalls, [&] {
      return own->all_reduce(&in, &out, 1, sluice::DataType::kFloat32, sluice::ReduceOp::kSum).ok();
    }));
    through.push_back(time_of(kCalls, [&] {
      return ncclAllReduce(&in, &out, 1, ncclFloat, ncclSum, door, nullptr) == ncclSuccess;
    }));
    added.push_back(through.back() - directly.back());
    if (directly.back() < 0 || through.back() < 0) return false;
  }
  figures.push_back({"call", "ns", added, kCallLimitNs,
                     fmt::format("{:.0f} ns through the door, {:.0f} ns by the C++ call",
                                 median_of(through), median_of(directly))});
  return ncclCommDestroy(door) == ncclSuccess;
}

/// What the ranks of one start tell; in memory that they share.
struct Page {
  ncclUniqueId id;
  std::atomic<int> there, measured, left;
  std::atomic<std::int64_t> begun_ns[kMaxRanks], done_ns[kMaxRanks];
  std::atomic<double> shared_out_mib[kMaxRanks], mapped_mib[kMaxRanks];  // PSS, RSS
};

/// A line of /proc/self/smaps_rollup, in MiB.
double own_memory_mib(const std::string& line) {
  std::ifstream rollup("/proc/self/smaps_rollup");
  std::string word;
  double kib = 0;
  while (rollup >> word)
    if (word == line + ":") rollup >> kib;
  return kib / 1024;
}

void meet(std::atomic<int>& there, int ranks) {
  ++there;
  while (there < ranks) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

bool run_rank(Page& page, int rank, int ranks) {
  std::vector<float> buffer(1 << 20, 1);
  const auto slot = static_cast<std::size_t>(rank);
  const double shared_out = own_memory_mib("Pss"), mapped = own_memory_mib("Rss");
  if (rank == 0) {
    if (ncclGetUniqueId(&page.id) != ncclSuccess) return false;
  }
  meet(page.there, ranks);
  ncclComm_t comm = nullptr;
  page.begun_ns[slot] = Clock::now().time_since_epoch().count();
  if (ncclCommInitRank(&comm, ranks, page.id, rank) != ncclSuccess) return false;
  page.done_ns[slot] = Clock::now().time_since_epoch().count();
  if (ncclAllReduce(buffer.data(), buffer.data(), buffer.size(), ncclFloat, ncclSum, comm,
                    nullptr) != ncclSuccess)
    return false;
  meet(page.measured, ranks);  // while all are there
  page.shared_out_mib[slot] = own_memory_mib("Pss") - shared_out;
  page.mapped_mib[slot] = own_memory_mib("Rss") - mapped;
  meet(page.left, ranks);
  return buffer.back() == static_cast<float>(ranks) && ncclCommDestroy(comm) == ncclSuccess;
}

/// One start of `ranks` processes. They are forked before this process has used the library.
bool start_once(int ranks, std::vector<double>& start_ms, std::vector<double>& shared_out_mib,
                std::vector<double>& mapped_mib) {
  void* const memory =
      mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  Page& page = *new (memory) Page{};
  std::vector<pid_t> children;
  for (int rank = 0; rank < ranks; ++rank) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      std::exit(run_rank(page, rank, ranks) ? 0 : 1);  // not _exit: the rendezvous says goodbye
    }
    children.push_back(child);
  }
  bool good = true;
  for (const pid_t child : children) {
    int status = -1;
    good &= child > 0 && waitpid(child, &status, 0) == child && status == 0;
  }
  const std::int64_t begun = *std::min_element(page.begun_ns, page.begun_ns + ranks);
  const std::int64_t done = *std::max_element(page.done_ns, page.done_ns + ranks);
  start_ms.push_back(static_cast<double>(done - begun) / 1e6);
  const auto mean = [&](const std::atomic<double>* each) {
    return std::accumulate(each, each + ranks, 0.0) / ranks;
  };
  shared_out_mib.push_back(mean(page.shared_out_mib));
  mapped_mib.push_back(mean(page.mapped_mib));
  munmap(memory, sizeof(Page));
  return good;
}

bool measure_start(int ranks, int rounds, std::vector<Figure>& figures) {
  std::vector<double> start_ms, shared_out_mib, mapped_mib;
  for (int round = 0; round < rounds; ++round)
    if (!start_once(ranks, start_ms, shared_out_mib, mapped_mib)) return false;
  const auto range = [&](const std::vector<double>& all) {
    return fmt::format("{} ranks, {} starts, {:.1f} to {:.1f}", ranks, rounds,
                       *std::min_element(all.begin(), all.end()),
                       *std::max_element(all.begin(), all.end()));
  };
  figures.push_back({"start", "ms", start_ms, kStartLimitMs, range(start_ms)});
  figures.push_back(
      {"memory", "MiB", shared_out_mib, kMemoryLimitMib,
       fmt::format("{}; {:.1f} mapped", range(shared_out_mib), median_of(mapped_mib))});
  return true;
}

bool report(const std::vector<Figure>& figures, std::ofstream& file) {
  bool within = true;
  for (const Figure& figure : figures) {
    const double value = median_of(figure.rounds);
    const bool good = value <= figure.limit;
    within &= good;
    fmt::print("{:<8} {:>8.1f} {:<4} limit {:>4.0f} {}  ({})\n", figure.name, value, figure.unit,
               figure.limit, good ? "ok" : "ABOVE", figure.details);
    const nlohmann::ordered_json line{{"figure", figure.name},     {"value", value},
                                      {"unit", figure.unit},       {"limit", figure.limit},
                                      {"details", figure.details}, {"rounds", figure.rounds}};
    if (file.is_open()) file << line.dump() << '\n';
  }
  return within;
}

/// Where and how, as the first line says it.
nlohmann::ordered_json header(int argc, char** argv, const std::string& note) {
  std::string command = "sluice-nccl-perf";
  for (int i = 1; i < argc; ++i) command += fmt::format(" {}", argv[i]);
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return {{"header",
           {{"benchmark", "nccl_door"},
            {"host", sluice::perf::host_name()},
            {"date", fmt::format("{:%Y-%m-%d}", fmt::gmtime(now))},
            {"machine", sluice::perf::describe_machine()},
            {"cores", sluice::perf::usable_cores()},
            {"commit", SLUICE_COMMIT},
            {"command", command},
            {"note", note}}}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("What the NCCL door costs, beside its limits");
  std::string json, note;
  int ranks = 8, rounds = 9;
  app.add_option("--json", json, "append lines of JSON to this file");
  app.add_option("--note", note, "what else there is to say about this run, for those lines");
  app.add_option("--ranks", ranks, "processes that start together")
      ->check(CLI::Range(1, kMaxRanks));
  app.add_option("--rounds", rounds, "how often they do")->check(CLI::Range(1, 1000));
  CLI11_PARSE(app, argc, argv);
  std::vector<Figure> figures;
  if (!measure_start(ranks, rounds, figures) || !measure_call(figures)) {
    fmt::print(stderr, "sluice-nccl-perf: {}\n", ncclGetLastError(nullptr));
    return 2;
  }
  std::ofstream file;
  if (!json.empty()) {
    file.open(json, std::ios::app);
    file << header(argc, argv, note).dump() << '\n';
  }
  return report(figures, file) ? 0 : 1;
}
