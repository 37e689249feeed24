#include "plan/selection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "base/error.hpp"

namespace sluice {
namespace {

/// Names asked for, by collective; one for every collective under kCollectiveCount.
using Wanted = std::map<int, std::string>;

Result<Wanted> parse(const std::string& text) {
  Wanted wanted;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = part.find(':');
    const std::string algorithm = colon == std::string::npos ? part : part.substr(colon + 1);
    int collective = colon == std::string::npos ? kCollectiveCount : -1;
    bool known = false;
    for (const HostEntry& entry : host_catalogue()) {
      const bool here =
          colon == std::string::npos || name(entry.collective) == part.substr(0, colon);
      if (!here || entry.name != algorithm) continue;
      known = true;
      if (colon != std::string::npos) collective = static_cast<int>(entry.collective);
    }
    if (!known)
      return fail(Errc::kInvalidArgument, "unknown algorithm",
                  fmt::format("no algorithm \"{}\"; sluice-perf list shows them", part));
    wanted[collective] = algorithm;
  }
  return wanted;
}

bool served(Needs needs, BufferAccess access, Placement placement) {
  if (placement != Placement::kOneHost)
    return needs == Needs::kLinks || needs == Needs::kHosts ||
           (needs == Needs::kEvenHosts && placement == Placement::kEvenHosts);
  switch (needs) {
    case Needs::kHosts:
    case Needs::kEvenHosts: return false;
    case Needs::kLinks:
    case Needs::kSegments: return true;
    case Needs::kReach: return access >= BufferAccess::kReach;
    case Needs::kInputs: return access >= BufferAccess::kInputs;
    case Needs::kBuffers: return access >= BufferAccess::kBuffers;
  }
  return false;
}

bool asked_for(const Wanted& wanted, const HostEntry& entry) {
  const auto own = wanted.find(static_cast<int>(entry.collective));
  if (own != wanted.end()) return own->second == entry.name;
  const auto all = wanted.find(kCollectiveCount);
  return all != wanted.end() && all->second == entry.name;
}

/// Whether the collective has a schedule over mapped segments for messages of any size.
bool has_staged(Collective collective) {
  const auto entries = host_catalogue();
  return std::any_of(entries.begin(), entries.end(), [&](const HostEntry& entry) {
    return entry.collective == collective && entry.needs == Needs::kSegments &&
           entry.max_bytes == kAnySize;
  });
}

/// Whether selection by cost may take an entry. Where segments are mapped, links only serve
/// collectives that have nothing else: what goes through the stage is copied as often and waits
/// less (a barrier copies nothing). And the reductions over mapped segments all add by rank and
/// round once, so whichever of them measured figures favour, the bits are the same; those over
/// links add in orders of their own. Where every rank has its host to itself, hierarchies are the
/// schedules over links with detours through stages that nobody shares.
bool eligible(const HostEntry& entry, Placement placement, bool shares_hosts) {
  if (entry.needs == Needs::kHosts || entry.needs == Needs::kEvenHosts) return shares_hosts;
  return entry.needs != Needs::kLinks || placement != Placement::kOneHost ||
         !has_staged(entry.collective) || entry.collective == Collective::kBarrier;
}

/// An entry that may be chosen. Found out once for all sizes: there are ten thousand choices to
/// make when a communicator begins.
struct Candidate {
  const HostEntry* entry;
  bool asked_for;
};

std::vector<Candidate> candidates(unsigned collective, const Wanted& wanted, Placement placement,
                                  bool shares_hosts) {
  std::vector<Candidate> found;
  for (const HostEntry& entry : host_catalogue()) {
    if (static_cast<unsigned>(entry.collective) != collective) continue;
    const bool asked = asked_for(wanted, entry);
    if (asked || eligible(entry, placement, shares_hosts)) found.push_back({&entry, asked});
  }
  return found;
}

}  // namespace

Result<Selection> Selection::make(const CostModel& model, int ranks, Placement placement,
                                  const std::string& wanted_text) {
  SLUICE_TRY_ASSIGN(const Wanted wanted, parse(wanted_text));
  Selection selection;
  for (int collective = 0; collective < kCollectiveCount; ++collective) {
    const auto c = static_cast<unsigned>(collective);
    const std::vector<Candidate> all = candidates(c, wanted, placement, ranks > model.hosts);
    selection.matters_from_[c] = ~0ull;
    for (unsigned b = kBuckets; b-- > 0;) {
      for (unsigned access = 0; access < kBufferAccessCount; ++access) {
        CostModel here = model;
        here.attached = access < static_cast<unsigned>(BufferAccess::kInputs);
        const HostEntry* best = nullptr;
        double best_cost = std::numeric_limits<double>::infinity();
        for (const auto& [entry, asked] : all) {
          if (entry->max_bytes < bucket_last(b)) continue;
          if (!served(entry->needs, static_cast<BufferAccess>(access), placement)) continue;
          const double cost =
              asked ? -1 : entry->cost(here, ranks, static_cast<double>(bucket_start(b)));
          if (cost < best_cost) best = entry, best_cost = cost;
        }
        selection.tables_[c][access][b] = best;
        if (best != selection.tables_[c][0][b]) selection.matters_from_[c] = bucket_start(b);
      }
    }
  }
  return selection;
}

}  // namespace sluice
