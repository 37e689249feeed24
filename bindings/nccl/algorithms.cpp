#include "bindings/nccl/algorithms.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "sluice/algorithms.hpp"

namespace sluice::nccl {
namespace {

constexpr std::pair<std::string_view, Collective> kNames[] = {
    {"allreduce", Collective::kAllReduce}, {"reducescatter", Collective::kReduceScatter},
    {"allgather", Collective::kAllGather}, {"broadcast", Collective::kBroadcast},
    {"reduce", Collective::kReduce},
};

std::string lower(std::string_view text) {
  std::string small;
  for (const char c : text)
    if (std::isspace(static_cast<unsigned char>(c)) == 0)
      small += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return small;
}

bool has(Collective collective, std::string_view algorithm) {
  const auto all = sluice::algorithms();
  return std::any_of(all.begin(), all.end(), [&](const AlgorithmDescription& entry) {
    return entry.collective == collective && entry.name == algorithm;
  });
}

bool anybody_has(std::string_view algorithm) {
  const auto all = sluice::algorithms();
  return std::any_of(all.begin(), all.end(),
                     [&](const AlgorithmDescription& entry) { return entry.name == algorithm; });
}

/// Ours for one part, "" for none.
std::string one(const std::string& part) {
  const std::size_t colon = part.find(':');
  if (colon == std::string::npos) return anybody_has(part) ? part : "";
  const std::string function = part.substr(0, colon), algorithm = part.substr(colon + 1);
  const auto known = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](const auto& name) { return name.first == function; });
  if (known == std::end(kNames) || !has(known->second, algorithm)) return "";
  return std::string(name(known->second)) + ":" + algorithm;
}

}  // namespace

std::string algorithms_of(const std::string& nccl_algo) {
  std::string ours, rest = lower(nccl_algo);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string part = rest.substr(0, end);
    rest.erase(0, end + 1);
    const std::string translated = one(part);
    if (translated.empty())
      log::info(log::Topic::kTuning, "NCCL_ALGO: \"{}\" has no equivalent here; chosen by cost",
                part);
    else
      ours += (ours.empty() ? "" : ",") + translated;
  }
  return ours;
}

}  // namespace sluice::nccl
