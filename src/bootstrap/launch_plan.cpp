#include "bootstrap/launch_plan.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "bootstrap/address.hpp"
#include "bootstrap/authentication.hpp"
#include "bootstrap/little_endian.hpp"
#include "bootstrap/messages.hpp"

namespace sluice::bootstrap {
namespace {

constexpr std::uint32_t kFirstPort = 20'000;  // below Linux's range of ephemeral ports
constexpr std::uint32_t kPortCount = 12'000;
constexpr const char* kLoopback = "127.0.0.1";

Status bad_launch(std::string why) {
  return fail(Errc::kInvalidUsage, "the launcher's environment makes no sense", std::move(why));
}

/// Which variables a launcher sets, and what it knows. Names may be nullptr where it has none.
struct Launcher {
  const char* name;
  const char* rank;
  const char* size;
  const char* local_rank;
  const char* local_size;
};

constexpr Launcher kByHand{"SLUICE_RANK", "SLUICE_RANK", "SLUICE_SIZE", "SLUICE_LOCAL_RANK",
                           "SLUICE_LOCAL_SIZE"};
constexpr Launcher kTorchrun{"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Launcher kOpenMpi{"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                            "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Launcher kMpich{"MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"};
constexpr Launcher kSlurm{"Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID",
                          nullptr};

class Reader {
 public:
  explicit Reader(const LaunchSource& source) : source_(source) {}

  bool has(const char* name) const { return source_.variable(name).has_value(); }
  std::string text(const char* name) const { return source_.variable(name).value_or(""); }
  std::string launcher_process() const { return source_.launcher_process(); }

  /// A whole number in [low, high]; `otherwise` when unset; an error naming the variable when it is
  /// anything else.
  Result<int> number(const char* name, int low, int high, std::optional<int> otherwise) const {
    const auto value = name == nullptr ? std::nullopt : source_.variable(name);
    if (!value) {
      if (otherwise) return *otherwise;
      return bad_launch(fmt::format("{} is not set", name));
    }
    int parsed = 0;
    const char* end = value->data() + value->size();
    const auto [stopped_at, error] = std::from_chars(value->data(), end, parsed);
    if (error == std::errc() && stopped_at == end && parsed >= low && parsed <= high) return parsed;
    return bad_launch(
        fmt::format("{}={} is not a whole number from {} to {}", name, *value, low, high));
  }

 private:
  const LaunchSource& source_;
};

/// What a launcher tells besides numbers: enough to tell one job from another, and where rank 0
/// might be.
struct JobFacts {
  std::string identity;          // the same on every rank of this job, different for other jobs
  std::string host;              // empty: unknown
  bool random_identity = false;  // nobody else can guess it
};

Result<const Launcher*> recognise(const Reader& reader) {
  if (reader.has("SLUICE_RANK") || reader.has("SLUICE_SIZE")) {
    if (reader.has("SLUICE_RANK") && reader.has("SLUICE_SIZE")) return &kByHand;
    return bad_launch(fmt::format("SLUICE_RANK={} and SLUICE_SIZE={}: set both or neither",
                                  reader.text("SLUICE_RANK"), reader.text("SLUICE_SIZE")));
  }
  if (reader.has("RANK") && reader.has("WORLD_SIZE")) return &kTorchrun;
  if (reader.has("OMPI_COMM_WORLD_RANK")) return &kOpenMpi;
  // Slurm's own PMI plug-ins set PMI_RANK too; only Hydra says which rank of its host this is.
  const bool slurm = reader.has("SLURM_PROCID") && reader.has("SLURM_STEP_ID");
  if (reader.has("PMI_RANK") && (reader.has("MPI_LOCALRANKID") || !slurm)) return &kMpich;
  // A batch script has SLURM_PROCID=0 and all the job's tasks, but is no task of a step.
  if (slurm) return &kSlurm;
  return static_cast<const Launcher*>(nullptr);
}

Result<LaunchPlan> read_numbers(const Reader& reader, const Launcher& launcher) {
  constexpr int kMost = static_cast<int>(kMaxRanks);
  LaunchPlan plan;
  plan.launcher = launcher.name;
  const char* size_name = launcher.size;
  if (&launcher == &kSlurm && !reader.has(size_name)) size_name = "SLURM_NTASKS";
  SLUICE_TRY_ASSIGN(plan.size, reader.number(size_name, 1, kMost, std::nullopt));
  SLUICE_TRY_ASSIGN(plan.rank, reader.number(launcher.rank, 0, kMost - 1, std::nullopt));
  if (plan.rank >= plan.size) {
    return bad_launch(
        fmt::format("{}={} is not below {}={}", launcher.rank, plan.rank, size_name, plan.size));
  }
  const std::optional<int> one_rank = plan.size == 1 ? std::optional(1) : std::nullopt;
  SLUICE_TRY_ASSIGN(plan.local_size,
                    reader.number(launcher.local_size, 1, kMost, one_rank.value_or(-1)));
  SLUICE_TRY_ASSIGN(plan.local_rank,
                    reader.number(launcher.local_rank, 0, kMost - 1, one_rank ? 0 : -1));
  if (&launcher == &kSlurm && reader.text("SLURM_STEP_NUM_NODES") == "1")
    plan.local_size = plan.size;
  if (plan.local_size > plan.size) {
    return bad_launch(fmt::format("{}={} is above {}={}", launcher.local_size, plan.local_size,
                                  size_name, plan.size));
  }
  if (plan.local_size > 0 && plan.local_rank >= plan.local_size) {
    return bad_launch(fmt::format("{}={} is not below the {} ranks of this host",
                                  launcher.local_rank, plan.local_rank, plan.local_size));
  }
  return plan;
}

JobFacts gather_facts(const Reader& reader, const Launcher& launcher) {
  const auto text = [&reader](const char* name) { return reader.text(name); };
  if (&launcher == &kTorchrun) {
    return {
        fmt::format("{}/{}/{}/{}", text("TORCHELASTIC_RUN_ID"), text("TORCHELASTIC_RESTART_COUNT"),
                    text("MASTER_ADDR"), text("MASTER_PORT")),
        text("MASTER_ADDR")};
  }
  if (&launcher == &kOpenMpi) {
    const std::string uri =
        reader.has("OMPI_MCA_orte_hnp_uri") ? text("OMPI_MCA_orte_hnp_uri") : "";
    const std::string id = reader.has("OMPI_MCA_ess_base_jobid") ? text("OMPI_MCA_ess_base_jobid")
                                                                 : text("PMIX_NAMESPACE");
    const std::string random_key =
        text("OMPI_MCA_orte_precondition_transports");  // 128 random bits per job
    return {id + "/" + random_key, first_open_mpi_host(uri), !random_key.empty()};
  }
  if (&launcher == &kMpich) {
    for (const char* name : {"PMI_PORT", "PMI_JOBID"}) {
      if (reader.has(name)) return {text(name), ""};
    }
    return {reader.launcher_process(), ""};
  }
  if (&launcher == &kSlurm) {
    // Task 0 runs on the first node of the step unless --distribution=arbitrary says otherwise; the
    // node that srun was called on may be a login node.
    const std::string first = first_slurm_host(text("SLURM_STEP_NODELIST"));
    return {fmt::format("{}.{}.{}", text("SLURM_JOB_ID"), text("SLURM_STEP_ID"),
                        text("SLURM_RESTART_COUNT")),
            first.empty() ? text("SLURM_LAUNCH_NODE_IPADDR") : first};
  }
  return {};
}

std::uint16_t derive_port(const std::string& identity, const std::string& taken) {
  const Secret hash = hash_to_secret("sluice launcher port v1", identity);
  const std::uint32_t random = load_u32(std::as_bytes(std::span(hash)).data());
  const std::uint32_t port = kFirstPort + random % kPortCount;
  return static_cast<std::uint16_t>(std::to_string(port) == taken ? port + 1 : port);
}

Status choose_address(const Reader& reader, const JobFacts& facts, LaunchPlan& plan) {
  if (const std::string root = reader.text("SLUICE_ROOT"); !root.empty()) {
    const auto parsed = parse_host_port(root);
    if (!parsed)
      return bad_launch(
          fmt::format("SLUICE_ROOT={} is neither host:port nor [address]:port", root));
    plan.host = parsed->host;
    plan.port = parsed->port;
    return Status();
  }
  if (plan.local_size == plan.size && !facts.identity.empty()) {
    plan.host = kLoopback;
  } else if (!facts.host.empty()) {
    plan.host = facts.host;
  } else {
    return bad_launch(
        fmt::format("{} starts {} ranks, {} on this host, and does not say where rank 0 is: set "
                    "SLUICE_ROOT=host:port on every rank",
                    plan.launcher, plan.size,
                    plan.local_size < 0 ? "an unknown number" : std::to_string(plan.local_size)));
  }
  const int derived = derive_port(plan.launcher + "/" + facts.identity, reader.text("MASTER_PORT"));
  SLUICE_TRY_ASSIGN(
      const int port,
      reader.number("SLUICE_PORT", 1, std::numeric_limits<std::uint16_t>::max(), derived));
  plan.port = static_cast<std::uint16_t>(port);
  return Status();
}

}  // namespace

Result<LaunchPlan> plan_launch(const LaunchSource& source) {
  const Reader reader(source);
  SLUICE_TRY_ASSIGN(const Launcher* launcher, recognise(reader));
  if (launcher == nullptr) {
    LaunchPlan alone;
    alone.launcher = "none";
    return alone;
  }
  SLUICE_TRY_ASSIGN(LaunchPlan plan, read_numbers(reader, *launcher));
  if (plan.size == 1) return plan;
  const JobFacts facts = gather_facts(reader, *launcher);
  SLUICE_TRY(choose_address(reader, facts, plan));
  if (const std::string secret = reader.text("SLUICE_SECRET"); !secret.empty()) {
    plan.secret_text = "given/" + secret;
  } else {
    plan.secret_text = fmt::format("derived/{}/{}/{}/{}", plan.launcher, facts.identity, plan.port,
                                   reader.text("SLUICE_ROOT"));
    plan.secret_is_weak = !facts.random_identity;
  }
  return plan;
}

std::string first_slurm_host(const std::string& list) {
  std::string host;
  for (std::size_t at = 0; at < list.size() && list[at] != ',';) {
    if (list[at] != '[') {
      host += list[at++];
      continue;
    }
    const std::size_t first_end = list.find_first_of("-,]", at);
    const std::size_t close = list.find(']', at);
    if (first_end == std::string::npos || close == std::string::npos) return "";
    host += list.substr(at + 1, first_end - at - 1);
    at = close + 1;
  }
  return host;
}

std::string first_open_mpi_host(const std::string& uri) {
  for (const char* scheme : {"tcp://", "tcp6://"}) {
    const std::size_t found = uri.find(scheme);
    if (found == std::string::npos) continue;
    const std::size_t begin = found + std::string(scheme).size();
    std::string host = uri.substr(begin, uri.find(';', begin) - begin);
    host = host.substr(0, host.rfind(':'));
    host = host.substr(0, host.find(','));
    std::erase(host, '[');
    std::erase(host, ']');
    if (!host.empty()) return host;
  }
  return "";
}

}  // namespace sluice::bootstrap
