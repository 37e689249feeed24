#include "bindings/mpi/report.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "bindings/mpi/library.hpp"
#include "bindings/mpi/policy.hpp"

namespace sluice::mpi::report {
namespace {

constexpr std::size_t kReasons = static_cast<std::size_t>(Reason::kCount);
constexpr const char* kReasonNames[kReasons] = {
    "contiguous", "table", "type", "empty", "large", "device", "memory", "arguments", "nested"};

struct Counts {
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> passed[kReasons] = {};
  std::mutex mutex;
  std::set<std::string> movers;
};

Counts* counts() {
  static Counts* const all =
      new Counts[kFunctions];  // never destroyed: calls may come until the process ends
  return all;
}

bool asked() {
  const char* const value = std::getenv("SLUICE_MPI_REPORT");
  return value != nullptr && std::strcmp(value, "1") == 0;
}

/// "2000 calls, 122.9 MB accelerated (gather8 record)", or nothing.
std::string accelerated_part(Counts& count) {
  if (count.calls == 0) return {};
  char text[96];
  std::snprintf(text, sizeof text, "%llu calls, %.1f MB accelerated (",
                static_cast<unsigned long long>(count.calls.load()),
                static_cast<double>(count.bytes.load()) / 1e6);
  std::string line = text;
  const std::lock_guard lock(count.mutex);
  const char* separator = "";
  for (const std::string& mover : count.movers) line += std::exchange(separator, " ") + mover;
  return line + ")";
}

/// "500 passed on: 480 contiguous, 20 table", or nothing.
std::string passed_part(const Counts& count) {
  std::uint64_t all = 0;
  std::string reasons;
  for (std::size_t reason = 0; reason < kReasons; ++reason) {
    const std::uint64_t some = count.passed[reason].load();
    if (some == 0) continue;
    all += some;
    reasons += (reasons.empty() ? "" : ", ") + std::to_string(some) + " " + kReasonNames[reason];
  }
  return all == 0 ? std::string() : std::to_string(all) + " passed on: " + reasons;
}

const char* mode_name() {
  constexpr const char* kNames[] = {"off", "pack", "all", "always"};
  return kNames[static_cast<int>(policy::mode())];
}

}  // namespace

bool on = asked();

void accelerated(Function function, std::int64_t bytes, const char* mover) {
  Counts& count = counts()[index_of(function)];
  count.calls.fetch_add(1, std::memory_order_relaxed);
  count.bytes.fetch_add(static_cast<std::uint64_t>(bytes), std::memory_order_relaxed);
  const std::lock_guard lock(count.mutex);
  count.movers.insert(mover);
}

void passed(Function function, Reason reason) {
  counts()[index_of(function)].passed[static_cast<int>(reason)].fetch_add(
      1, std::memory_order_relaxed);
}

void print(int rank) {
  const std::string who =
      "sluice-mpi: " +
      (rank >= 0 ? "rank " + std::to_string(rank) : "process " + std::to_string(getpid())) + ": ";
  std::string all = who + library.name + " " + library.version + ", mode " + mode_name() +
                    ", table " + policy::table_name() + "\n";
  for (std::size_t function = 0; function < kFunctions; ++function) {
    Counts& count = counts()[function];
    const std::string accelerated_text = accelerated_part(count);
    const std::string passed_text = passed_part(count);
    if (accelerated_text.empty() && passed_text.empty()) continue;
    all += who + "MPI_" + name_of(static_cast<Function>(function)) + ": " + accelerated_text +
           (accelerated_text.empty() || passed_text.empty() ? "" : "; ") + passed_text + "\n";
  }
  std::fputs(all.c_str(), stderr);
}

}  // namespace sluice::mpi::report
