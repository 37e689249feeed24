#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "communicator/flight_text.hpp"
#include "communicator/operation.hpp"

namespace sluice {
namespace {

/// The ranks that wait, directly or through others, for one rank or for one circle of ranks.
struct Jam {
  std::vector<int> culprits;  // one; or the circle, in the order in which they wait
  bool in_circle = false;
  int waiting = 0;  // ranks outside of the circle that wait for it
  const SeenRank* longest = nullptr;
};

class Judge {
 public:
  Judge(const SeenCommunicator& communicator, std::uint64_t now_ns)
      : communicator_(communicator),
        now_ns_(now_ns),
        ranks_(static_cast<std::size_t>(communicator.ranks)) {
    for (const SeenRank& rank : communicator.seen)
      ranks_[static_cast<std::size_t>(rank.flight.rank)] = &rank;
  }

  std::vector<std::string> sentences() {
    for (const SeenRank& rank : communicator_.seen)
      if (is_waiting(&rank)) follow(rank);
    std::vector<Jam> jams;
    for (auto& [first, jam] : jams_) jams.push_back(std::move(jam));
    std::stable_sort(jams.begin(), jams.end(),
                     [](const Jam& a, const Jam& b) { return a.waiting > b.waiting; });
    std::vector<std::string> sentences;
    for (const Jam& jam : jams) sentences.push_back(jam.in_circle ? circle(jam) : late(jam));
    return sentences.empty() ? out_of_action() : sentences;
  }

 private:
  const SeenRank* at(int rank) const { return ranks_[static_cast<std::size_t>(rank)]; }
  /// Whether the rank could go on if the one that it waits for did.
  static bool is_waiting(const SeenRank* rank) {
    return rank != nullptr && rank->process && !rank->process->stopped() &&
           rank->flight.state < RankFlight::State::kHasFailed && rank->flight.wait;
  }
  void follow(const SeenRank& from);
  std::string late(const Jam& jam) const;
  std::string circle(const Jam& jam) const;
  /// Which ranks cannot go on, for whatever reason.
  std::vector<std::string> out_of_action() const;
  double seconds(const SeenRank& rank) const { return seconds_of(*rank.flight.wait, now_ns_); }

  const SeenCommunicator& communicator_;
  std::uint64_t now_ns_;
  std::vector<const SeenRank*> ranks_;  // null: not seen
  std::map<int, Jam> jams_;             // by the smallest culprit
};

/// Goes from rank to rank, each waiting for the next, to the one that all of them wait for.
void Judge::follow(const SeenRank& from) {
  std::vector<int> way{from.flight.rank};
  std::vector<int> culprits;
  while (culprits.empty()) {
    const int next = static_cast<int>(at(way.back())->flight.wait->peer);
    const auto met = std::find(way.begin(), way.end(), next);
    if (met != way.end()) {
      culprits.assign(met, way.end());
    } else if (!is_waiting(at(next))) {
      culprits = {next};
    }
    way.push_back(next);
  }
  const bool inside =
      std::find(culprits.begin(), culprits.end(), from.flight.rank) != culprits.end();
  std::rotate(culprits.begin(), std::min_element(culprits.begin(), culprits.end()), culprits.end());
  Jam& jam = jams_[culprits.front()];
  jam.in_circle = is_waiting(at(culprits.front()));
  jam.culprits = std::move(culprits);
  if (!inside) ++jam.waiting;
  if (jam.longest == nullptr || seconds(from) > seconds(*jam.longest)) jam.longest = &from;
}

/// What keeps the process from running; empty if nothing does.
std::string hindrance(const SeenRank& rank) {
  if (!rank.process) return fmt::format("its process {} has ended", rank.flight.pid);
  return rank.process->stopped() ? "it is stopped (SIGSTOP, or a debugger)" : "";
}

/// What it does instead of what `waiter` waits for.
std::string occupation(const RankFlight& flight, const RankFlight& waiter) {
  if (flight.state >= RankFlight::State::kHasFailed) return "it " + whereabouts(flight);
  if (waiter.state == RankFlight::State::kInOperation && flight.begun() < waiter.begun())
    return fmt::format("it has not begun {} ({})", label(waiter.operations.front()),
                       whereabouts(flight));
  return "it is " + whereabouts(flight);
}

std::string Judge::late(const Jam& jam) const {
  const SeenRank* culprit = at(jam.culprits.front());
  std::string reason = "it is not seen on this host";
  if (culprit != nullptr) {
    reason = hindrance(*culprit);
    if (!reason.empty()) reason += "; ";
    reason += occupation(culprit->flight, jam.longest->flight);
  }
  const std::string duration = duration_text(seconds(*jam.longest));
  return fmt::format(
      "rank {} is late: {}; {}", jam.culprits.front(), reason,
      jam.waiting == 1
          ? fmt::format("rank {} waits for it, for {}", jam.longest->flight.rank, duration)
          : fmt::format("{} ranks wait for it, the longest for {}", jam.waiting, duration));
}

std::string Judge::circle(const Jam& jam) const {
  if (jam.culprits.size() == 1)
    return fmt::format("rank {} waits for itself, for {}", jam.culprits.front(),
                       duration_text(seconds(*jam.longest)));
  return fmt::format("ranks {} wait for each other in a circle, the longest for {}",
                     fmt::join(jam.culprits, ", "), duration_text(seconds(*jam.longest)));
}

std::vector<std::string> Judge::out_of_action() const {
  std::vector<int> stopped, ended, failed;
  for (const SeenRank& rank : communicator_.seen) {
    if (!rank.process)
      ended.push_back(rank.flight.rank);
    else if (rank.process->stopped())
      stopped.push_back(rank.flight.rank);
    else if (rank.flight.state == RankFlight::State::kHasFailed)
      failed.push_back(rank.flight.rank);
  }
  std::vector<std::string> sentences;
  const auto add = [&](const char* what, const std::vector<int>& ranks) {
    if (!ranks.empty()) sentences.push_back(fmt::format("{}: {}", what, fmt::join(ranks, ", ")));
  };
  add("stopped (SIGSTOP, or a debugger)", stopped);
  add("ended", ended);
  add("failed", failed);
  return sentences;
}

}  // namespace

std::vector<std::string> verdict(const SeenCommunicator& communicator, std::uint64_t now_ns) {
  return Judge(communicator, now_ns).sentences();
}

}  // namespace sluice
