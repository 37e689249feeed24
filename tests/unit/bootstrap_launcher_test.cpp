// Launchers' environments, each as found under the real launcher, and what is read from them.
#include "bootstrap/launcher.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "base/error.hpp"
#include "bootstrap/launch_plan.hpp"
#include "bootstrap/unique_id_format.hpp"

namespace sluice::bootstrap {
namespace {

using Variables = std::map<std::string, std::string>;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Result<LaunchPlan> plan(Variables variables, const std::string& process = "42:1") {
  return plan_launch(
      {[variables = std::move(variables)](const char* name) -> std::optional<std::string> {
         const auto found = variables.find(name);
         if (found == variables.end() || found->second.empty()) return std::nullopt;
         return found->second;
       },
       [process] { return process; }});
}

Variables with(Variables variables, const Variables& changes) {
  for (const auto& [name, text] : changes) variables[name] = text;
  return variables;
}

const Variables kByHand{{"SLUICE_RANK", "3"}, {"SLUICE_SIZE", "8"}, {"SLUICE_ROOT", "node7:4711"}};

const Variables kTorchrun{{"RANK", "5"},
                          {"WORLD_SIZE", "8"},
                          {"LOCAL_RANK", "1"},
                          {"LOCAL_WORLD_SIZE", "4"},
                          {"MASTER_ADDR", "node0"},
                          {"MASTER_PORT", "29500"},
                          {"TORCHELASTIC_RUN_ID", "none"},
                          {"TORCHELASTIC_RESTART_COUNT", "0"}};

const Variables kOpenMpi{
    {"OMPI_COMM_WORLD_RANK", "1"},
    {"OMPI_COMM_WORLD_SIZE", "2"},
    {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
    {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
    {"OMPI_MCA_ess_base_jobid", "1973288961"},
    {"OMPI_MCA_orte_hnp_uri",
     "1973288960.0;tcp://192.0.2.2,198.51.100.2:48883;tcp6://[fd00::2]:59625"},
    {"OMPI_MCA_orte_precondition_transports", "d67c809e6ec06b6c-7481d0d3572a917c"},
    {"PMIX_NAMESPACE", "1973288961"},
    {"PMIX_RANK", "1"}};

const Variables kMpich{{"PMI_RANK", "1"},        {"PMI_SIZE", "2"}, {"MPI_LOCALRANKID", "1"},
                       {"MPI_LOCALNRANKS", "2"}, {"PMI_FD", "8"},   {"HYDI_CONTROL_FD", "7"}};

const Variables kSlurm{{"SLURM_PROCID", "6"},
                       {"SLURM_NTASKS", "8"},
                       {"SLURM_STEP_NUM_TASKS", "8"},
                       {"SLURM_LOCALID", "2"},
                       {"SLURM_JOB_ID", "815"},
                       {"SLURM_STEP_ID", "0"},
                       {"SLURM_STEP_NUM_NODES", "2"},
                       {"SLURM_STEP_NODELIST", "rack[03-07,9]n[1-2],login"},
                       {"SLURM_LAUNCH_NODE_IPADDR", "192.0.2.9"}};

struct Row {
  const char* name;
  Variables variables;
  const char* launcher;
  int rank, size, local_rank, local_size;
  const char* host;
};

const std::vector<Row> kRows{
    {"none", {}, "none", 0, 1, 0, 1, ""},
    {"by_hand", kByHand, "SLUICE_RANK", 3, 8, -1, -1, "node7"},
    {"by_hand_v6", with(kByHand, {{"SLUICE_ROOT", "[fd00::2]:99"}}), "SLUICE_RANK", 3, 8, -1, -1,
     "fd00::2"},
    {"by_hand_alone", {{"SLUICE_RANK", "0"}, {"SLUICE_SIZE", "1"}}, "SLUICE_RANK", 0, 1, 0, 1, ""},
    {"by_hand_goes_before_torchrun", with(kTorchrun, kByHand), "SLUICE_RANK", 3, 8, -1, -1,
     "node7"},
    {"torchrun", kTorchrun, "torchrun", 5, 8, 1, 4, "node0"},
    {"torchrun_one_host", with(kTorchrun, {{"LOCAL_WORLD_SIZE", "8"}}), "torchrun", 5, 8, 1, 8,
     "127.0.0.1"},
    {"torchrun_within_slurm", with(kTorchrun, kSlurm), "torchrun", 5, 8, 1, 4, "node0"},
    {"open_mpi", kOpenMpi, "Open MPI", 1, 2, 1, 2, "127.0.0.1"},
    {"open_mpi_hosts", with(kOpenMpi, {{"OMPI_COMM_WORLD_SIZE", "4"}}), "Open MPI", 1, 4, 1, 2,
     "192.0.2.2"},
    {"open_mpi_within_slurm", with(kOpenMpi, kSlurm), "Open MPI", 1, 2, 1, 2, "127.0.0.1"},
    {"mpich", kMpich, "MPICH", 1, 2, 1, 2, "127.0.0.1"},
    {"mpich_within_slurm", with(kMpich, kSlurm), "MPICH", 1, 2, 1, 2, "127.0.0.1"},
    {"mpich_hosts_with_root", with(kMpich, {{"PMI_SIZE", "4"}, {"SLUICE_ROOT", "a:1"}}), "MPICH", 1,
     4, 1, 2, "a"},
    {"slurm", kSlurm, "Slurm", 6, 8, 2, -1, "rack03n1"},
    {"slurm_with_its_pmi", with(kSlurm, {{"PMI_RANK", "6"}, {"PMI_SIZE", "8"}}), "Slurm", 6, 8, 2,
     -1, "rack03n1"},
    {"slurm_one_host", with(kSlurm, {{"SLURM_STEP_NUM_NODES", "1"}}), "Slurm", 6, 8, 2, 8,
     "127.0.0.1"},
    {"slurm_no_list", with(kSlurm, {{"SLURM_STEP_NODELIST", ""}}), "Slurm", 6, 8, 2, -1,
     "192.0.2.9"},
    {"slurm_batch_script_is_no_task", with(kSlurm, {{"SLURM_STEP_ID", ""}}), "none", 0, 1, 0, 1,
     ""},
};

class LauncherRow : public testing::TestWithParam<Row> {};

TEST_P(LauncherRow, is_read) {
  const Row& row = GetParam();
  const auto read = plan(row.variables);
  ASSERT_TRUE(read.ok()) << last_error();
  EXPECT_EQ(read.value().launcher, row.launcher);
  EXPECT_EQ(read.value().rank, row.rank);
  EXPECT_EQ(read.value().size, row.size);
  EXPECT_EQ(read.value().local_rank, row.local_rank);
  EXPECT_EQ(read.value().local_size, row.local_size);
  EXPECT_EQ(read.value().host, row.host);
  EXPECT_EQ(read.value().port != 0, row.size > 1);
}

INSTANTIATE_TEST_SUITE_P(Bootstrap, LauncherRow, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

struct BadRow {
  const char* name;
  Variables variables;
  const char* complaint;
};

const std::vector<BadRow> kBadRows{
    {"rank_not_below_size", with(kTorchrun, {{"RANK", "8"}}), "RANK=8 is not below WORLD_SIZE=8"},
    {"negative_rank", with(kTorchrun, {{"RANK", "-1"}}), "RANK=-1"},
    {"rank_no_number", with(kOpenMpi, {{"OMPI_COMM_WORLD_RANK", "1x"}}), "OMPI_COMM_WORLD_RANK=1x"},
    {"size_missing", with(kOpenMpi, {{"OMPI_COMM_WORLD_SIZE", ""}}),
     "OMPI_COMM_WORLD_SIZE is not set"},
    {"size_zero", with(kMpich, {{"PMI_SIZE", "0"}}), "PMI_SIZE=0"},
    {"size_too_large", with(kMpich, {{"PMI_SIZE", "99999999999"}}), "PMI_SIZE=99999999999"},
    {"local_above_size", with(kTorchrun, {{"LOCAL_WORLD_SIZE", "9"}}),
     "LOCAL_WORLD_SIZE=9 is above WORLD_SIZE=8"},
    {"local_rank", with(kTorchrun, {{"LOCAL_RANK", "4"}}), "LOCAL_RANK=4 is not below the 4 ranks"},
    {"half_by_hand", {{"SLUICE_RANK", "1"}}, "set both or neither"},
    {"by_hand_no_root", with(kByHand, {{"SLUICE_ROOT", ""}}), "SLUICE_ROOT=host:port"},
    {"root_no_port", with(kByHand, {{"SLUICE_ROOT", "node7"}}), "SLUICE_ROOT=node7"},
    {"root_bare_v6", with(kByHand, {{"SLUICE_ROOT", "fd00::2:99"}}), "SLUICE_ROOT=fd00::2:99"},
    {"root_port_zero", with(kByHand, {{"SLUICE_ROOT", "a:0"}}), "SLUICE_ROOT=a:0"},
    {"port_out_of_range", with(kTorchrun, {{"SLUICE_PORT", "65536"}}), "SLUICE_PORT=65536"},
    {"mpich_hosts", with(kMpich, {{"PMI_SIZE", "4"}}), "SLUICE_ROOT=host:port"},
};

class BadLauncherRow : public testing::TestWithParam<BadRow> {};

TEST_P(BadLauncherRow, is_refused_with_the_variable_and_its_text) {
  const auto read = plan(GetParam().variables);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().code(), Errc::kInvalidUsage);
  EXPECT_TRUE(contains(last_error(), GetParam().complaint)) << last_error();
}

INSTANTIATE_TEST_SUITE_P(Bootstrap, BadLauncherRow, testing::ValuesIn(kBadRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(BootstrapLauncher, all_ranks_of_a_job_agree_on_port_and_secret_and_other_jobs_differ) {
  const auto mine = plan(kTorchrun).value();
  const auto peer = plan(with(kTorchrun, {{"RANK", "0"}, {"LOCAL_RANK", "0"}})).value();
  EXPECT_EQ(mine.port, peer.port);
  EXPECT_EQ(mine.secret_text, peer.secret_text);
  EXPECT_NE(mine.port, 29500);
  const auto restarted = plan(with(kTorchrun, {{"TORCHELASTIC_RESTART_COUNT", "1"}})).value();
  EXPECT_NE(mine.secret_text, restarted.secret_text);
  EXPECT_NE(plan(kMpich, "42:1").value().secret_text, plan(kMpich, "43:1").value().secret_text);
}

TEST(BootstrapLauncher, port_and_secret_can_be_given) {
  const auto given =
      plan(with(kTorchrun, {{"SLUICE_PORT", "4000"}, {"SLUICE_SECRET", "a"}})).value();
  EXPECT_EQ(given.port, 4000);
  EXPECT_FALSE(given.secret_is_weak);
  EXPECT_TRUE(plan(kTorchrun).value().secret_is_weak);
  EXPECT_FALSE(plan(kOpenMpi).value().secret_is_weak);  // mpirun makes a random key for each job
  const auto other =
      plan(with(kTorchrun, {{"SLUICE_PORT", "4000"}, {"SLUICE_SECRET", "b"}})).value();
  EXPECT_NE(given.secret_text, other.secret_text);
}

TEST(BootstrapLauncher, slurm_lists) {
  EXPECT_EQ(first_slurm_host("node7"), "node7");
  EXPECT_EQ(first_slurm_host("a,b"), "a");
  EXPECT_EQ(first_slurm_host("n[3,5-7]"), "n3");
  EXPECT_EQ(first_slurm_host("n[003-007]x"), "n003x");
  EXPECT_EQ(first_slurm_host("n[3"), "");
  EXPECT_EQ(first_slurm_host(""), "");
}

TEST(BootstrapLauncher, open_mpi_addresses) {
  EXPECT_EQ(first_open_mpi_host("1.0;tcp6://[fd00::2]:59625"), "fd00::2");
  EXPECT_EQ(first_open_mpi_host("1.0;tcp://10.0.0.1:1"), "10.0.0.1");
  EXPECT_EQ(first_open_mpi_host("1.0;usock"), "");
}

TEST(BootstrapLauncher, host_and_port) {
  EXPECT_EQ(parse_host_port("[::1]:80")->host, "::1");
  EXPECT_EQ(parse_host_port("a.b:65535")->port, 65535);
  for (const char* bad :
       {"", ":", ":80", "a:", "a:b", "a:65536", "a:-1", "[]:80", "[::1]", "::1:80", "a:80 "}) {
    EXPECT_FALSE(parse_host_port(bad)) << bad;
  }
}

TEST(BootstrapLauncher, the_real_environment_gives_an_id) {
  // Whatever started this test, by-hand variables come first.
  ::setenv("SLUICE_RANK", "1", 1);
  ::setenv("SLUICE_SIZE", "2", 1);
  ::setenv("SLUICE_ROOT", "127.0.0.1:4711", 1);
  const auto info = launch_from_environment();
  for (const char* name : {"SLUICE_RANK", "SLUICE_SIZE", "SLUICE_ROOT"}) ::unsetenv(name);
  ASSERT_TRUE(info.ok()) << last_error();
  const auto fields = decode_unique_id(info.value().id);
  ASSERT_TRUE(fields.ok());
  EXPECT_EQ(fields.value().server.text(), "127.0.0.1:4711");
  EXPECT_TRUE(fields.value().rank_zero_serves);
  EXPECT_FALSE(fields.value().any_interface);
}

}  // namespace
}  // namespace sluice::bootstrap
