#include "bindings/nccl/config.hpp"

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bindings/nccl/errors.hpp"

namespace sluice::nccl {
namespace {

constexpr int kUnset = NCCL_CONFIG_UNDEF_INT;
constexpr std::size_t kHeaderBytes = offsetof(ncclConfig_t, blocking);

/// An integer of ncclConfig_t: the first version that has it, and its range.
struct Field {
  const char* name;
  int ncclConfig_t::*member;
  unsigned since;
  int least, most;
};
constexpr Field kFields[] = {
    {"blocking", &ncclConfig_t::blocking, 21400, 0, 1},
    {"cgaClusterSize", &ncclConfig_t::cgaClusterSize, 21700, 0, 8},
    {"minCTAs", &ncclConfig_t::minCTAs, 21700, 1, INT_MAX},
    {"maxCTAs", &ncclConfig_t::maxCTAs, 21700, 1, INT_MAX},
    {"splitShare", &ncclConfig_t::splitShare, 21800, 0, 1},
    {"trafficClass", &ncclConfig_t::trafficClass, 22602, INT_MIN, INT_MAX},
    {"collnetEnable", &ncclConfig_t::collnetEnable, 22700, 0, 1},
    {"CTAPolicy", &ncclConfig_t::CTAPolicy, 22700, 0, 3},
    {"shrinkShare", &ncclConfig_t::shrinkShare, 22700, 0, 1},
    {"nvlsCTAs", &ncclConfig_t::nvlsCTAs, 22700, 1, INT_MAX},
    {"nChannelsPerNetPeer", &ncclConfig_t::nChannelsPerNetPeer, 22800, 1, INT_MAX},
    {"nvlinkCentricSched", &ncclConfig_t::nvlinkCentricSched, 22800, 0, 1},
    {"graphUsageMode", &ncclConfig_t::graphUsageMode, 22900, 0, 2},
    {"numRmaCtx", &ncclConfig_t::numRmaCtx, 22900, 1, 64},
    {"maxP2pPeers", &ncclConfig_t::maxP2pPeers, 23003, 1, INT_MAX},
    {"graphStreamOrdering", &ncclConfig_t::graphStreamOrdering, 23007, 0, 1},
    {"launchOrderImplicit", &ncclConfig_t::launchOrderImplicit, 23100, 0, 2},
    {"numRmaSig", &ncclConfig_t::numRmaSig, 23100, 1, 1024},
    {"rmaEagerInit", &ncclConfig_t::rmaEagerInit, 23100, 0, 1},
    {"hostCftMode", &ncclConfig_t::hostCftMode, 23100, 1, 3},
    {"nvlsHostMode", &ncclConfig_t::nvlsHostMode, 23203, 0, INT_MAX},
};

/// The fields that change nothing are named, so that nobody believes they do.
constexpr const char* kMeaningful[] = {"blocking", "minCTAs", "maxCTAs", "numRmaCtx", "numRmaSig"};

/// What the caller has set; the rest unset.
Result<ncclConfig_t> copy_known(const ncclConfig_t& given) {
  if (given.magic != NCCL_API_MAGIC || given.size < kHeaderBytes)
    return bad_argument(
        fmt::format("the ncclConfig_t was not made with NCCL_CONFIG_INITIALIZER (size {}, magic "
                    "{:#x})",
                    given.size, given.magic));
  ncclConfig_t known = NCCL_CONFIG_INITIALIZER;
  std::memcpy(&known, &given, std::min(given.size, sizeof known));
  known.version = given.version;
  for (const Field& field : kFields)
    if (given.version < field.since) known.*field.member = kUnset;
  if (given.version < 21700) known.netName = nullptr;
  if (given.version < 22700) known.commName = nullptr;
  return known;
}

Status check_ranges(const ncclConfig_t& config) {
  for (const Field& field : kFields) {
    const int value = config.*field.member;
    if (value == kUnset) continue;
    if (value < field.least || value > field.most)
      return bad_argument(fmt::format("ncclConfig_t::{} is {}, expected {} to {}", field.name,
                                      value, field.least, field.most));
    const bool means_something =
        std::any_of(std::begin(kMeaningful), std::end(kMeaningful),
                    [&](const char* name) { return std::strcmp(name, field.name) == 0; });
    if (!means_something)
      log::info(log::Topic::kSettings, "ncclConfig_t::{}={} has no effect here", field.name, value);
  }
  if (config.minCTAs != kUnset && config.maxCTAs != kUnset && config.minCTAs > config.maxCTAs)
    return bad_argument(fmt::format("ncclConfig_t: minCTAs {} is more than maxCTAs {}",
                                    config.minCTAs, config.maxCTAs));
  if (config.netName != nullptr && strcasecmp(config.netName, "Socket") != 0)
    return bad_usage(
        fmt::format("ncclConfig_t::netName \"{}\": there is no such network here, "
                    "only \"Socket\" (TCP)",
                    config.netName));
  return {};
}

/// A variable that is a number of blocks, where it is set.
Result<int> blocks_of(const char* variable, int otherwise) {
  const auto number = environment::number(variable);
  if (!number) return otherwise;
  if (*number < 1 || *number > INT_MAX)
    return bad_argument(
        fmt::format("{}={}: expected at least 1 and at most {}", variable, *number, INT_MAX));
  return static_cast<int>(*number);
}

Status check_selection(const ncclCollConfig_t& config) {
  const bool asks = config.algSelection != nullptr && *config.algSelection != '\0';
  if (!asks) return {};
  if (config.forceAlgSelection == 0) {
    log::info(log::Topic::kTuning, "algSelection \"{}\" of a call: schedules are chosen by cost",
              config.algSelection);
    return {};
  }
  return bad_usage(
      fmt::format("ncclCollConfig_t::algSelection \"{}\" cannot be forced for one call: set "
                  "SLUICE_ALGORITHM for all, or forceAlgSelection to 0",
                  config.algSelection));
}

/// Fields of a call's configuration up to the one that 2.32 added.
constexpr std::size_t kFirstCollConfigBytes = offsetof(ncclCollConfig_t, launchCompletionEvent);

}  // namespace

Result<Config> read_config(const ncclConfig_t* given, const Config& inherited) {
  Config config = inherited;
  if (given != nullptr) {
    config = {};
    SLUICE_TRY_ASSIGN(const ncclConfig_t known, copy_known(*given));
    SLUICE_TRY(check_ranges(known));
    if (known.blocking != kUnset) config.blocking = known.blocking != 0;
    if (known.numRmaCtx != kUnset) config.rma_contexts = known.numRmaCtx;
    if (known.numRmaSig != kUnset) config.rma_signals = known.numRmaSig;
    if (known.minCTAs != kUnset) config.least_blocks = known.minCTAs;
    if (known.maxCTAs != kUnset) config.most_blocks = known.maxCTAs;
    if (known.commName != nullptr) config.name = known.commName;
  }
  if (const auto blocking = environment::number("NCCL_COMM_BLOCKING"))
    config.blocking = *blocking != 0;
  SLUICE_TRY_ASSIGN(config.least_blocks, blocks_of("NCCL_MIN_CTAS", config.least_blocks));
  SLUICE_TRY_ASSIGN(config.most_blocks, blocks_of("NCCL_MAX_CTAS", config.most_blocks));
  if (config.most_blocks > 0 && config.least_blocks > config.most_blocks) {
    log::warn("at least {} CTAs and at most {} were asked for: it will be at most {}",
              config.least_blocks, config.most_blocks, config.most_blocks);
    config.least_blocks = config.most_blocks;
  }
  return config;
}

Options configured(Options options, const Config& config) {
  options.least_strands = config.least_blocks;
  options.most_strands = config.most_blocks;
  return options;
}

Status check_config(const ncclCollConfig_t* config) {
  if (config == nullptr) return {};
  if (config->magic != NCCL_API_MAGIC || config->size < kFirstCollConfigBytes)
    return bad_argument(
        fmt::format("the ncclCollConfig_t was not made with NCCL_COLLCONFIG_INITIALIZER (size {}, "
                    "magic {:#x})",
                    config->size, config->magic));
  if (config->forceAlgSelection != 0 && config->forceAlgSelection != 1)
    return bad_argument(fmt::format("ncclCollConfig_t::forceAlgSelection is {}, expected 0 or 1",
                                    config->forceAlgSelection));
  if (config->CTAPolicy != kUnset && (config->CTAPolicy < 0 || config->CTAPolicy > 3))
    return bad_argument(
        fmt::format("ncclCollConfig_t::CTAPolicy is {}, expected 0 to 3", config->CTAPolicy));
  if (config->minCTAs != kUnset && config->maxCTAs != kUnset && config->minCTAs > config->maxCTAs)
    return bad_argument(fmt::format("ncclCollConfig_t: minCTAs {} is more than maxCTAs {}",
                                    config->minCTAs, config->maxCTAs));
  const bool has_event = config->size >= sizeof *config && config->version >= 23200;
  if (has_event && config->launchCompletionEvent != nullptr)
    return bad_usage(
        "ncclCollConfig_t::launchCompletionEvent: no kernel is launched on host memory, so there "
        "is no event to record");
  return check_selection(*config);
}

}  // namespace sluice::nccl
