#include "bootstrap/launcher.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "bootstrap/interfaces.hpp"
#include "bootstrap/launch_plan.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice {
namespace bootstrap {
namespace {

struct ProcessStat {
  std::string name;
  long parent = 0;
  std::string start_time;
};

/// /proc/<pid>/stat: "pid (name) state parent ..."; the start time is field 22. The name may hold
/// blanks and brackets.
std::optional<ProcessStat> read_process(long pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const auto open = line.find('(');
  const auto close = line.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  std::istringstream rest(line.substr(close + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  constexpr std::size_t kParent = 1;      // field 4, counted behind the name
  constexpr std::size_t kStartTime = 19;  // field 22
  if (fields.size() <= kStartTime) return std::nullopt;
  return ProcessStat{line.substr(open + 1, close - open - 1), std::atol(fields[kParent].c_str()),
                     fields[kStartTime]};
}

/// Hydra's proxy, however many shells lie between it and us; failing that, our parent.
std::string launcher_process() {
  constexpr int kMostAncestors = 64;
  const long parent = ::getppid();
  long pid = parent;
  for (int i = 0; i < kMostAncestors && pid > 1; ++i) {
    const auto process = read_process(pid);
    if (!process) break;
    if (process->name.starts_with("hydra_pmi"))
      return fmt::format("{}:{}", pid, process->start_time);
    pid = process->parent;
  }
  const auto process = read_process(parent);
  return fmt::format("{}:{}", parent, process ? process->start_time : "");
}

bool is_number(const std::string& host) {
  return host.find_first_not_of("0123456789.") == std::string::npos ||
         host.find(':') != std::string::npos;
}

/// A name leads each rank to this host by whatever address suits it, so rank 0 listens on all of
/// them; a loopback number or name leads nowhere else.
bool listens_everywhere(const std::string& host, const Address& address) {
  if (host == "localhost") return false;
  return !(is_number(host) && address.is_loopback());
}

/// Where rank 0 is met. A launcher says so; SLUICE_NET decides between several addresses of the
/// name that it gives, and keeps rank 0 from listening elsewhere where it gives the number of an
/// interface that is used.
Status place_server(const LaunchPlan& plan, IdFields& fields) {
  SLUICE_TRY_ASSIGN(const auto addresses, resolve_all(plan.host, plan.port));
  fields.server = addresses.front();
  fields.any_interface = listens_everywhere(plan.host, fields.server);
  if (!environment::text("SLUICE_NET")) return {};
  SLUICE_TRY_ASSIGN(const auto used, used_interfaces());
  const auto within = std::find_if(addresses.begin(), addresses.end(), [&](const Address& address) {
    return std::any_of(used.begin(), used.end(),
                       [&](const Interface& each) { return each.subnet().contains(address); });
  });
  if (within != addresses.end()) fields.server = *within;
  const bool is_used = std::any_of(used.begin(), used.end(), [&](const Interface& each) {
    return each.address.number() == fields.server.number();
  });
  fields.any_interface = fields.any_interface && !(is_used && is_number(plan.host));
  return {};
}

Result<UniqueId> make_id(const LaunchPlan& plan) {
  IdFields fields;
  SLUICE_TRY(place_server(plan, fields));
  fields.secret = hash_to_secret("sluice launcher secret v1",
                                 fmt::format("{}/{}", ::getuid(), plan.secret_text));
  fields.rank_zero_serves = true;
  if (plan.secret_is_weak && plan.rank == 0) {
    // What is encrypted under such a secret is not kept from those who can compute it.
    const bool encrypts = environment::text("SLUICE_ENCRYPT", "0") == "1";
    log::line(encrypts ? log::Level::kWarn : log::Level::kInfo, log::Topic::kBootstrap,
              "the job's secret is derived from what {} tells about the job; whoever knows "
              "that can join{}: set SLUICE_SECRET on shared machines",
              plan.launcher, encrypts ? ", and read what is encrypted" : "");
  }
  return encode_unique_id(fields);
}

}  // namespace
}  // namespace bootstrap

Result<LaunchInfo> launch_from_environment() {
  const bootstrap::LaunchSource source{[](const char* name) { return environment::text(name); },
                                       bootstrap::launcher_process};
  SLUICE_TRY_ASSIGN(const bootstrap::LaunchPlan plan, bootstrap::plan_launch(source));
  LaunchInfo info{plan.rank, plan.size, plan.local_rank, plan.local_size, {}, plan.launcher};
  if (plan.size == 1) {
    SLUICE_TRY_ASSIGN(info.id, bootstrap::create_unique_id_at(bootstrap::Address{}.loopback()));
  } else {
    SLUICE_TRY_ASSIGN(info.id, bootstrap::make_id(plan));
  }
  return info;
}

}  // namespace sluice
