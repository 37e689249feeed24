// sluice-gpu-bench: what the device can do at the least and at the most, to hold the collectives'
// times against.
//
//   sluice-gpu-bench                 copies, flags, launches, graphs, all ranks in one launch
//   sluice-gpu-bench --small         one small all-reduce of each schedule, checked: for checkers
//   sluice-gpu-bench --profile MIB   one all-reduce of so many MiB a rank: for profilers
//   --json FILE                      also appends one object a line to it
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "gpu/job.hpp"
#include "gpu/probes.hpp"
#include "sluice_commit.hpp"

namespace sluice::gpu {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

struct CommandLine {
  bool small = false;
  std::uint64_t profile_mib = 0;
  std::string json;
};

class Bench {
 public:
  Bench(device::OwnStream stream, device::Event first, device::Event last, std::string json)
      : stream_(std::move(stream)),
        first_(std::move(first)),
        last_(std::move(last)),
        json_(std::move(json)) {}

  Status run_all();
  Status run_small();
  Status profile(std::uint64_t bytes);

 private:
  using Enqueue = std::function<Status(Stream)>;
  /// Microseconds of one `enqueue`: the median of nine batches.
  Result<double> time_us(int times, const Enqueue& enqueue);
  Status copies();
  Status flags();
  Status launches();
  Status all_ranks(unsigned ranks, unsigned strands, std::uint64_t bytes, Schedule schedule);
  void report(Json row, const std::string& text);

  device::OwnStream stream_;
  device::Event first_, last_;
  std::string json_;
};

Result<double> Bench::time_us(int times, const Enqueue& enqueue) {
  std::vector<double> batches;
  for (int batch = -1; batch < 9; ++batch) {  // the first one warms up
    SLUICE_TRY(first_.record(stream_.stream()));
    for (int i = 0; i < times; ++i) SLUICE_TRY(enqueue(stream_.stream()));
    SLUICE_TRY(last_.record(stream_.stream()));
    SLUICE_TRY(last_.wait());
    SLUICE_TRY_ASSIGN(const double all_us, device::Event::between_us(first_, last_));
    if (batch >= 0) batches.push_back(all_us / times);
  }
  std::sort(batches.begin(), batches.end());
  return batches[batches.size() / 2];
}

void Bench::report(Json row, const std::string& text) {
  fmt::print("{}\n", text);
  std::fflush(stdout);
  if (json_.empty()) return;
  row["commit"] = SLUICE_COMMIT;
  if (std::FILE* file = std::fopen(json_.c_str(), "ae"); file != nullptr) {
    fmt::print(file, "{}\n", row.dump());
    std::fclose(file);
  }
}

Status Bench::copies() {
  constexpr std::uint64_t kBytes = 512 * kMiB;
  SLUICE_TRY_ASSIGN(const auto from, device::Store::instance().device_memory(kBytes, false));
  SLUICE_TRY_ASSIGN(const auto to, device::Store::instance().device_memory(kBytes, false));
  const auto tell = [&](const std::string& how, double us) {
    const double gbs = 2.0 * static_cast<double>(kBytes) / us / 1000;
    report({{"probe", "copy"}, {"how", how}, {"bytes", kBytes}, {"time_us", us}, {"gbs", gbs}},
           fmt::format("copy, {:<16} {:10.1f} us  {:8.1f} GB/s read and written", how, us, gbs));
  };
  SLUICE_TRY_ASSIGN(const double engine_us, time_us(4, [&](Stream stream) {
                      return device::copy_on(stream, to.get(), from.get(), kBytes);
                    }));
  tell("driver", engine_us);
  SLUICE_TRY_ASSIGN(const device::Facts facts, device::facts(0));
  const auto processors = static_cast<unsigned>(facts.multiprocessors);
  for (const unsigned blocks : {processors / 4, processors / 2, processors}) {
    std::byte* target = to.get();
    const std::byte* source = from.get();
    std::uint64_t bytes = kBytes;
    void* arguments[] = {&target, &source, &bytes};
    SLUICE_TRY_ASSIGN(const double us, time_us(4, [&](Stream stream) {
                        return device::launch(copy_all(), blocks, kThreads, arguments, stream);
                      }));
    tell(fmt::format("{} blocks", blocks), us);
  }
  return {};
}

Status Bench::flags() {
  constexpr std::uint64_t kRounds = 2000;
  SLUICE_TRY_ASSIGN(const auto memory,
                    device::Store::instance().device_memory(sizeof(PingPong), false));
  for (const unsigned threads : {1u, 128u, kThreads}) {
    SLUICE_TRY_ASSIGN(const double us, time_us(1, [&](Stream stream) -> Status {
                        PingPong game{};
                        for (WaitState& waits : game.waits) waits.timeout_ns = 5'000'000'000;
                        SLUICE_TRY(device::copy(memory.get(), &game, sizeof game));
                        std::byte* on_device = memory.get();
                        std::uint64_t rounds = kRounds;
                        void* arguments[] = {&on_device, &rounds};
                        return device::launch(ping_pong(), 2, threads, arguments, stream);
                      }));
    // The event before it is as far away as the copy that resets the flags: timed alone below.
    SLUICE_TRY_ASSIGN(const double none_us, time_us(1, [&](Stream stream) -> Status {
                        PingPong game{};
                        SLUICE_TRY(device::copy(memory.get(), &game, sizeof game));
                        std::byte* on_device = memory.get();
                        std::uint64_t rounds = 0;
                        void* arguments[] = {&on_device, &rounds};
                        return device::launch(ping_pong(), 2, threads, arguments, stream);
                      }));
    const double round_us = (us - none_us) / static_cast<double>(kRounds);
    report({{"probe", "flag"}, {"threads", threads}, {"round_trip_us", round_us}},
           fmt::format("flag forth and back, {:3} threads a block {:8.3f} us", threads, round_us));
  }
  return {};
}

Status Bench::launches() {
  const Enqueue nothing = [](Stream stream) {
    return device::launch(empty(), 1, 32, nullptr, stream);
  };
  SLUICE_TRY_ASSIGN(const double launch_us, time_us(200, nothing));
  SLUICE_TRY(device::Graph::begin(stream_.stream()));
  const Status captured = nothing(stream_.stream());
  auto graph = device::Graph::end(stream_.stream());
  SLUICE_TRY(captured);
  if (!graph.ok()) return graph.status();
  SLUICE_TRY_ASSIGN(const double graph_us,
                    time_us(200, [&](Stream stream) { return graph.value().launch(stream); }));
  report({{"probe", "launch"}, {"empty_us", launch_us}, {"empty_graph_us", graph_us}},
         fmt::format("launch of nothing {:8.3f} us, as a graph {:8.3f} us", launch_us, graph_us));
  return {};
}

Status Bench::all_ranks(unsigned ranks, unsigned strands, std::uint64_t bytes, Schedule schedule) {
  const char* const name = kScheduleNames[static_cast<unsigned>(schedule)];
  SLUICE_TRY_ASSIGN(auto job, Job::create(ranks, strands, bytes));
  SLUICE_TRY_ASSIGN(const double us, time_us(bytes > kMiB ? 5 : 100, [&](Stream stream) {
                      return job.launch(schedule, stream);
                    }));
  SLUICE_TRY_ASSIGN(const std::string wrong, job.check());
  // What memory must give and take: each rank's input read, each rank's output written.
  const double gbs = 2.0 * ranks * static_cast<double>(bytes) / us / 1000;
  report(
      {{"probe", "all_ranks"},
       {"algorithm", name},
       {"ranks", ranks},
       {"strands", strands},
       {"bytes", bytes},
       {"time_us", us},
       {"memory_gbs", gbs},
       {"wrong", wrong}},
      fmt::format("all_reduce {:<8} {} ranks x {:2} strands, {:10} B {:10.2f} us {:8.1f} GB/s{}",
                  name, ranks, strands, bytes, us, gbs, wrong.empty() ? "" : "  WRONG: " + wrong));
  return wrong.empty() ? Status() : Status(Errc::kInternalError, "wrong result");
}

Status Bench::run_all() {
  SLUICE_TRY(copies());
  SLUICE_TRY(flags());
  SLUICE_TRY(launches());
  SLUICE_TRY(all_ranks(2, 1, 8, Schedule::kPacket));
  SLUICE_TRY(all_ranks(8, 1, 8, Schedule::kPacket));
  SLUICE_TRY_ASSIGN(const device::Facts facts, device::facts(0));
  const auto processors = static_cast<unsigned>(facts.multiprocessors);
  for (const unsigned ranks : {2u, 4u, 8u})
    for (const unsigned share : {2u, 1u})
      for (const Schedule schedule : {Schedule::kDirect, Schedule::kTwoShot})
        SLUICE_TRY(all_ranks(ranks, processors / ranks / share, 64 * kMiB, schedule));
  return {};
}

Status Bench::run_small() {
  for (const Schedule schedule : {Schedule::kPacket, Schedule::kDirect, Schedule::kTwoShot}) {
    SLUICE_TRY_ASSIGN(auto job, Job::create(3, 2, schedule == Schedule::kPacket ? 1000 : 100'004));
    for (int i = 0; i < 3; ++i) SLUICE_TRY(job.launch(schedule, stream_.stream()));
    SLUICE_TRY(stream_.wait());
    SLUICE_TRY_ASSIGN(const std::string wrong, job.check());
    fmt::print("{}: {}\n", kScheduleNames[static_cast<unsigned>(schedule)],
               wrong.empty() ? "right" : wrong);
    if (!wrong.empty()) return Status(Errc::kInternalError, "wrong result");
  }
  return {};
}

Status Bench::profile(std::uint64_t bytes) {
  SLUICE_TRY_ASSIGN(const device::Facts facts, device::facts(0));
  SLUICE_TRY_ASSIGN(auto job,
                    Job::create(2, static_cast<unsigned>(facts.multiprocessors) / 2, bytes));
  SLUICE_TRY(job.launch(Schedule::kDirect, stream_.stream()));
  SLUICE_TRY(stream_.wait());
  SLUICE_TRY_ASSIGN(const std::string wrong, job.check());
  if (!wrong.empty()) fmt::print("WRONG: {}\n", wrong);
  return wrong.empty() ? Status() : Status(Errc::kInternalError, "wrong result");
}

Status run(const CommandLine& line) {
  SLUICE_TRY(device::use(0));
  SLUICE_TRY_ASSIGN(const device::Facts facts, device::facts(0));
  fmt::print("# {}, {} multiprocessors, compute capability {}.{}, {} MiB of cache ({})\n",
             facts.name, facts.multiprocessors, facts.major, facts.minor, facts.cache_bytes / kMiB,
             SLUICE_COMMIT);
  SLUICE_TRY_ASSIGN(auto stream, device::OwnStream::create());
  SLUICE_TRY_ASSIGN(auto first, device::Event::create());
  SLUICE_TRY_ASSIGN(auto last, device::Event::create());
  Bench bench(std::move(stream), std::move(first), std::move(last), line.json);
  if (line.small) return bench.run_small();
  if (line.profile_mib != 0) return bench.profile(line.profile_mib * kMiB);
  return bench.run_all();
}

}  // namespace
}  // namespace sluice::gpu

int main(int argc, char** argv) {
  sluice::gpu::CommandLine line;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--small") {
      line.small = true;
    } else if (flag == "--profile" && i + 1 < argc) {
      line.profile_mib = std::strtoull(argv[++i], nullptr, 10);
    } else if (flag == "--json" && i + 1 < argc) {
      line.json = argv[++i];
    } else {
      fmt::print(stderr, "usage: sluice-gpu-bench [--small | --profile MIB] [--json FILE]\n");
      return 2;
    }
  }
  if (const auto devices = sluice::device::count(); !devices.ok()) {
    fmt::print("sluice-gpu-bench: skipped, no GPU: {}\n", sluice::device::why_none());
    return 77;
  }
  const sluice::Status status = sluice::gpu::run(line);
  if (status.ok()) return 0;
  fmt::print(stderr, "sluice-gpu-bench: {}: {}\n", status.what(), sluice::last_error());
  return 1;
}
