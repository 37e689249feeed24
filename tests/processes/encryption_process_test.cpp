// Ranks on several hosts that encrypt: this one under several names.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstdlib>
#include <set>
#include <thread>

#include "bootstrap/authentication.hpp"
#include "bootstrap/socket.hpp"
#include "support/ranks.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

Launch two_hosts(const char* encrypt) {
  Launch launch;
  launch.hosts = {0, 0, 1, 1};
  if (encrypt != nullptr) launch.environment = {{"SLUICE_ENCRYPT", encrypt}};
  return launch;
}

/// What the ports of this process answer to who does not encrypt: the number of those that do.
int ports_that_encrypt() {
  using namespace bootstrap;
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd) {
    int listens = 0, domain = 0;
    socklen_t bytes = sizeof listens;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) != 0 || listens == 0)
      continue;
    if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) != 0 || domain != AF_INET)
      continue;
    sockaddr_storage name{};
    socklen_t name_bytes = sizeof name;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &name_bytes);
    const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&name), name_bytes) != 0) continue;
    const Deadline soon = Deadline::after(std::chrono::seconds(5));
    HelloBytes challenge;
    Greeting answer;
    if (send_all(socket, encode(Greeting{kProtocolVersion, random_nonce()}), soon) != 0) continue;
    if (receive_exactly(socket, challenge, soon) != 0 || !decode(challenge, answer)) continue;
    count += answer.encrypts;
  }
  return count;
}

std::string expect_ports(bool encrypt) {
  const int found = ports_that_encrypt();
  return (found > 0) == encrypt ? "" : fmt::format("{} ports encrypt", found);
}

/// One algorithm of each collective, and those that are made for hosts: all of them pass their
/// bytes to the same transport.
TEST(EncryptionProcesses, every_collective_across_hosts) {
  std::set<Collective> done;
  for (const AlgorithmDescription& algorithm : algorithms()) {
    if (algorithm.needs_mapped) continue;
    if (!done.insert(algorithm.collective).second && !algorithm.needs_hosts) continue;
    SCOPED_TRACE(option_of(algorithm));
    Launch launch = two_hosts("1");
    launch.options.algorithm = option_of(algorithm);
    const Sweep sweep{algorithm, 4, Depth::kShort};
    const Case large = cases_of(sweep).back();
    EXPECT_EQ(spawn_processes(
                  4, [&](Communicator& c) { return run_sweep(c, sweep, {large}); }, launch),
              "");
  }
}

TEST(EncryptionProcesses, the_variable_and_the_option_reach_the_data) {
  EXPECT_EQ(spawn_processes(
                4, [](Communicator&) { return expect_ports(true); }, two_hosts("1")),
            "");
  Launch launch = two_hosts(nullptr);
  EXPECT_EQ(spawn_processes(
                4, [](Communicator&) { return expect_ports(false); }, launch),
            "");
  launch.options.encrypt = true;
  EXPECT_EQ(spawn_processes(
                4, [](Communicator&) { return expect_ports(true); }, launch),
            "");
  launch.environment = {{"SLUICE_ENCRYPT", "0"}};
  EXPECT_EQ(spawn_processes(
                4, [](Communicator&) { return expect_ports(false); }, launch),
            "")
      << "the variable wins";
}

TEST(EncryptionProcesses, parts_of_a_job_encrypt_too) {
  const auto body = [](Communicator& c) -> std::string {
    auto half = c.split(c.rank() % 2, c.rank());
    if (!half.ok()) return text_of(half.status());
    return ports_that_encrypt() >= 2 ? "" : "the part does not encrypt";
  };
  EXPECT_EQ(spawn_processes(4, body, two_hosts("1")), "");
}

TEST(EncryptionProcesses, anything_else_is_an_error_and_not_taken_for_no) {
  const std::string said = spawn_processes(
      1, [](Communicator&) { return std::string(); },
      [] {
        Launch launch;
        launch.environment = {{"SLUICE_ENCRYPT", "yes"}};
        return launch;
      }());
  EXPECT_NE(said.find("SLUICE_ENCRYPT=yes: expected 0 or 1"), std::string::npos) << said;
}

TEST(EncryptionProcesses, a_rank_that_differs_is_named) {
  Launch launch;
  launch.options.timeout = std::chrono::milliseconds(2000);
  // Last, so that the others agree before it comes.
  launch.place = [](int rank) {
    if (rank == 2) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    ::setenv("SLUICE_ENCRYPT", rank == 2 ? "0" : "1", 1);
  };
  const std::string said = spawn_processes(
      3, [](Communicator&) { return std::string(); }, launch);
  EXPECT_NE(said.find("rank 2: create: invalid usage"), std::string::npos) << said;
  EXPECT_NE(said.find("does not encrypt, rank "), std::string::npos) << said;
  EXPECT_NE(said.find("SLUICE_ENCRYPT must be the same on every rank"), std::string::npos) << said;
}

}  // namespace
}  // namespace sluice::test
