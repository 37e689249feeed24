#include "bindings/nccl/subsystems.hpp"

#include <strings.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "base/log.hpp"

namespace sluice::nccl {
namespace {

struct Subsystem {
  const char* name;
  unsigned topics;
};

constexpr unsigned kNone = 0;
constexpr Subsystem kSubsystems[] = {
    {"INIT", bit(log::Topic::kInit)},
    {"BOOTSTRAP", bit(log::Topic::kBootstrap)},
    {"NET", bit(log::Topic::kNetwork)},
    {"SHM", bit(log::Topic::kMemory)},
    {"P2P", bit(log::Topic::kMemory)},
    {"TUNING", bit(log::Topic::kTuning)},
    {"GRAPH", bit(log::Topic::kTuning)},
    {"ENV", bit(log::Topic::kSettings)},
    {"ALL", log::kAllTopics},
    {"COLL", kNone},
    {"NVLS", kNone},
    {"ALLOC", kNone},
    {"CALL", kNone},
    {"PROXY", kNone},
    {"REG", kNone},
    {"PROFILE", kNone},
    {"RAS", kNone},
};

}  // namespace

unsigned topics_of(std::string_view subsystems) {
  const bool excludes = subsystems.substr(0, 1) == "^";
  std::string_view rest = subsystems.substr(excludes ? 1 : 0);
  unsigned topics = 0;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string name(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const auto* const found = std::find_if(
        std::begin(kSubsystems), std::end(kSubsystems),
        [&](const Subsystem& each) { return ::strcasecmp(each.name, name.c_str()) == 0; });
    if (found == std::end(kSubsystems))
      log::warn("NCCL_DEBUG_SUBSYS: \"{}\" is none of NCCL's subsystems", name);
    else if (found->topics == kNone)
      log::info(log::Topic::kSettings, "NCCL_DEBUG_SUBSYS: no line of the log is about {}", name);
    else
      topics |= found->topics;
  }
  return excludes ? ~topics : topics;
}

}  // namespace sluice::nccl
