#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "communicator/flight_text.hpp"
#include "communicator/operation.hpp"
#include "sluice_top/report.hpp"

namespace sluice::top {
namespace {

std::string process_text(const SeenRank& rank) {
  if (!rank.process) return fmt::format("pid {}, ended", rank.flight.pid);
  return fmt::format("pid {} {}{}", rank.process->pid, rank.process->command,
                     rank.process->stopped() ? ", stopped" : "");
}

void add_rank(std::string& text, const SeenRank& rank, std::uint64_t now_ns, int history) {
  const auto out = std::back_inserter(text);
  const RankFlight& flight = rank.flight;
  fmt::format_to(out, "  rank {}, {}: {}{}{}\n", flight.rank, process_text(rank),
                 whereabouts(flight), flight.wait ? "; " : "", wait_text(flight, now_ns));
  const std::size_t end = std::min(flight.operations.size(), static_cast<std::size_t>(history) + 1);
  for (std::size_t i = 1; i < end; ++i)
    fmt::format_to(out, "    before: {}\n", describe(flight.operations[i]));
}

}  // namespace

std::string text_of(const FlightScan& scan, int history) {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const SeenCommunicator& communicator : scan.communicators) {
    fmt::format_to(out, "communicator {:016x}: {} ranks", communicator.id, communicator.ranks);
    if (communicator.seen.size() != static_cast<std::size_t>(communicator.ranks))
      fmt::format_to(out, ", {} of them seen here", communicator.seen.size());
    text += '\n';
    for (const SeenRank& rank : communicator.seen) add_rank(text, rank, scan.at_ns, history);
    const auto sentences = verdict(communicator, scan.at_ns);
    if (sentences.empty()) text += "  > no rank has waited for more than a millisecond\n";
    for (const std::string& sentence : sentences) fmt::format_to(out, "  > {}\n", sentence);
  }
  if (scan.communicators.empty()) text += "no ranks found\n";
  for (const std::string& sentence : scan.skipped) fmt::format_to(out, "skipped: {}\n", sentence);
  return text;
}

}  // namespace sluice::top
