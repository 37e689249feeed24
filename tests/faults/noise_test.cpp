// Random bytes at everything a job listens on, while it works.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>

#include "base/fd.hpp"
#include "bootstrap/unique_id_format.hpp"
#include "support/rank_processes.hpp"

namespace sluice::test {
namespace {

/// The abstract names at which a process listens.
std::vector<std::string> listening_names(pid_t pid) {
  std::set<std::string> sockets;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), ignored))
    sockets.insert(std::filesystem::read_symlink(entry, ignored));
  std::vector<std::string> names;
  std::ifstream table("/proc/net/unix");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string number, count, protocol, flags, type, state, inode, path;
    words >> number >> count >> protocol >> flags >> type >> state >> inode >> path;
    if (flags == "00010000" && path.starts_with('@') && sockets.contains("socket:[" + inode + "]"))
      names.push_back(path.substr(1));
  }
  return names;
}

Fd call(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  static_cast<void>(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), bytes));
  return socket;
}

Fd call(std::uint16_t port, const std::array<std::uint8_t, 4>& ip) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  std::memcpy(&address.sin_addr, ip.data(), ip.size());
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  static_cast<void>(
      ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return socket;
}

/// Sends noise, listens a little, and hangs up, or stays on the line for a while.
class Caller {
 public:
  void harass(Fd socket) {
    std::string noise(random_() % 3000, '\0');
    for (char& letter : noise) letter = static_cast<char>(random_());
    static_cast<void>(
        ::send(socket.get(), noise.data(), noise.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    char answer[256];
    static_cast<void>(::recv(socket.get(), answer, sizeof answer, MSG_DONTWAIT));
    if (random_() % 4 == 0) on_the_line_.push_back(std::move(socket));
    if (on_the_line_.size() > 20) on_the_line_.erase(on_the_line_.begin());
  }

 private:
  std::mt19937 random_{7};
  std::vector<Fd> on_the_line_;
};

TEST(Noise, at_the_ports_of_a_job_does_not_disturb_it) {
  constexpr int kRanks = 3;
  RankProcesses ranks(kRanks, kLinks, milliseconds(30'000));
  ASSERT_TRUE(ranks.under_way()) << ranks.texts();
  const auto fields = bootstrap::decode_unique_id(ranks.id());
  ASSERT_TRUE(fields.ok()) << last_error();
  std::vector<std::string> names;
  for (int rank = 0; rank < kRanks; ++rank)
    for (auto& name : listening_names(ranks.pid(rank))) names.push_back(name);
  EXPECT_EQ(names.size(), 3u) << "each rank serves descriptors under an abstract name";

  const bootstrap::Address& server = fields.value().server;
  Caller caller;
  for (int i = 0; i < 300; ++i) {
    if (server.family == AF_INET)
      caller.harass(call(server.port, {server.ip[0], server.ip[1], server.ip[2], server.ip[3]}));
    if (!names.empty()) caller.harass(call(names[static_cast<std::size_t>(i) % names.size()]));
  }
  const std::uint64_t rounds = ranks[0].rounds;
  ASSERT_TRUE(ranks.under_way(rounds + 100)) << ranks[0].text;
  for (int rank = 0; rank < kRanks; ++rank) {
    EXPECT_EQ(ranks[rank].failed_at_ns.load(), 0) << ranks[rank].text;
    EXPECT_FALSE(ranks[rank].wrong);
  }
  // And it still hears that a rank is lost.
  ranks.kill_now(2);
  for (const int rank : {0, 1}) {
    ASSERT_TRUE(ranks.fails(rank, milliseconds(2000)));
    EXPECT_NE(std::string(ranks[rank].text).find("rank 2"), std::string::npos) << ranks[rank].text;
  }
}

}  // namespace
}  // namespace sluice::test
