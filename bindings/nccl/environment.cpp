#include "bindings/nccl/environment.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bindings/nccl/algorithms.hpp"
#include "bindings/nccl/errors.hpp"
#include "bindings/nccl/ids.hpp"
#include "bindings/nccl/nccl.h"
#include "bindings/nccl/subsystems.hpp"
#include "bootstrap/interfaces.hpp"

namespace sluice::nccl {
namespace {

constexpr Parameter kParameters[] = {
    {"NCCL_ALGO", "", "one schedule by NCCL's name, for all collectives or for some"},
    {"NCCL_COMM_BLOCKING", "", "0 or 1 instead of ncclConfig_t::blocking"},
    {"NCCL_COMM_ID", "", "host:port where rank 0 serves the rendezvous"},
    {"NCCL_DEBUG", "WARN", "NONE, VERSION, WARN, INFO, TRACE: what is logged"},
    {"NCCL_DEBUG_FILE", "", "a file for the log; %h host, %p process"},
    {"NCCL_DEBUG_SUBSYS", "", "what is logged at INFO is about, by NCCL's names; ^ all but these"},
    {"NCCL_HOSTID", "", "ranks that say the same share memory"},
    {"NCCL_MAX_CTAS", "", "blocks of a collective on a GPU, at most"},
    {"NCCL_MIN_CTAS", "", "blocks of a collective on a GPU, at least"},
    {"NCCL_SHM_DISABLE", "0", "1: every rank as if on a host of its own"},
    {"NCCL_SOCKET_IFNAME", "", "network interfaces by prefix; = exactly, ^ all but these"},
    {"SLUICE_ALGORITHM", "", "schedules by our names"},
    {"SLUICE_ENCRYPT", "0", "1: everything over the network is encrypted"},
    {"SLUICE_HOST", "", "ranks that say the same share memory"},
    {"SLUICE_LOG", "warn", "what is logged"},
    {"SLUICE_NCCL_FALLBACK", "", "another libnccl.so.2 that gets all calls"},
    {"SLUICE_NET", "", "network interfaces"},
    {"SLUICE_TIMEOUT_MS", "600000", "how long joining, and any wait for a peer, may take"},
    {"SLUICE_TRANSPORT", "auto", "auto, shm, loopback, tcp"},
    {"SLUICE_TUNING", "", "a tuning file"},
};

/// Long enough for a rank that writes a checkpoint; what PyTorch takes for NCCL's collectives.
constexpr std::chrono::minutes kTimeout{10};

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

/// NCCL_SOCKET_IFNAME in SLUICE_NET's words, for the interfaces that there are.
Result<std::string> interfaces_of(const std::string& wanted) {
  SLUICE_TRY_ASSIGN(const auto present, bootstrap::list_interfaces());
  std::string_view rest = wanted;
  const bool excludes = starts_with(rest, "^");
  if (excludes) rest.remove_prefix(1);
  const bool exact = starts_with(rest, "=");
  if (exact) rest.remove_prefix(1);
  std::string chosen, names;
  std::set<std::string> seen;
  for (const bootstrap::Interface& each : present)
    if (seen.insert(each.name).second) names += (names.empty() ? "" : ", ") + each.name;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view entry = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    for (const std::string& name : seen)
      if (!entry.empty() && (exact ? name == entry : starts_with(name, entry)))
        chosen += (chosen.empty() ? "" : ",") + (excludes ? "^" + name : name);
  }
  if (chosen.empty() && !excludes)
    return bad_usage(
        fmt::format("NCCL_SOCKET_IFNAME={} fits no interface; there are: {}", wanted, names));
  return chosen;
}

log::Level level_of(std::string_view text) {
  if (text == "NONE") return log::Level::kOff;
  if (text == "INFO") return log::Level::kInfo;
  if (text == "TRACE") return log::Level::kTrace;
  return log::Level::kWarn;  // VERSION, WARN, ATTN, ABORT
}

std::string expanded(const std::string& pattern) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  std::string path;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char next = pattern[i] == '%' && i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    if (next == 'h') path += host;
    if (next == 'p') path += std::to_string(::getpid());
    if (next == '%') path += '%';
    if (next == 'h' || next == 'p' || next == '%')
      ++i;
    else
      path += pattern[i];
  }
  return path;
}

void log_into(const std::string& pattern) {
  const std::string why_not = log::write_to_file(expanded(pattern));
  if (!why_not.empty()) log::warn("NCCL_DEBUG_FILE={}: {}", pattern, why_not);
}

void list_ignored() {
  std::string ignored;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const std::string_view key = variable.substr(0, variable.find('='));
    if (!starts_with(key, "NCCL_")) continue;
    const bool known =
        std::any_of(std::begin(kParameters), std::end(kParameters),
                    [&](const Parameter& parameter) { return key == parameter.key; });
    if (!known) ignored += fmt::format("{}{}", ignored.empty() ? "" : ", ", key);
  }
  if (!ignored.empty())
    log::info(log::Topic::kSettings, "variables that mean nothing here, ignored: {}", ignored);
}

Status apply() {
  read_log_settings();
  if (const auto file = environment::text("NCCL_DEBUG_FILE")) log_into(*file);
  log::info(log::Topic::kInit, "NCCL version {}.{}.{}, implemented by Sluice {}", NCCL_MAJOR,
            NCCL_MINOR, NCCL_PATCH, SLUICE_VERSION);
  list_ignored();
  if (const auto host = environment::text("NCCL_HOSTID"))
    environment::provide("SLUICE_HOST", *host);
  if (environment::number("NCCL_SHM_DISABLE").value_or(0) != 0)
    environment::provide("SLUICE_TRANSPORT", "tcp");
  if (const auto names = environment::text("NCCL_SOCKET_IFNAME")) {
    SLUICE_TRY_ASSIGN(const std::string net, interfaces_of(*names));
    if (!net.empty()) environment::provide("SLUICE_NET", net);
  }
  if (const auto text = environment::text("NCCL_ALGO")) {
    const std::string algorithm = algorithms_of(*text);
    if (!algorithm.empty()) environment::provide("SLUICE_ALGORITHM", algorithm);
  }
  return {};
}

}  // namespace

std::span<const Parameter> parameters() { return kParameters; }

std::string text_of(const Parameter& parameter) {
  return environment::text(parameter.key, parameter.otherwise);
}

void read_log_settings() {
  if (environment::text("SLUICE_LOG")) return;
  if (const auto text = environment::text("NCCL_DEBUG")) log::set_level(level_of(*text));
  const auto subsystems = environment::text("NCCL_DEBUG_SUBSYS");
  log::set_topics(subsystems ? topics_of(*subsystems) : log::kAllTopics);
}

Status apply_environment() {
  static const Status status = apply();
  return status;
}

Options options_from_environment() {
  Options options;
  options.timeout = kTimeout;
  options.encrypt = encrypts();
  return options;
}

}  // namespace sluice::nccl
