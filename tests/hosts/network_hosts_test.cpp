// The hosts that the other tests here use are hosts: they reach each other by TCP and by nothing
// else, cables can be pulled, and nothing stays behind.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/deadline.hpp"
#include "bootstrap/socket.hpp"
#include "on_hosts.hpp"
#include "support/observation.hpp"
#include "topology/host.hpp"

namespace sluice::test {
namespace {

using bootstrap::Fd;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kSoon(10'000);

bootstrap::Address address_of(int host, int rail, std::uint16_t port = 0) {
  const auto address = bootstrap::resolve(NetworkHosts::address(host, rail), port);
  EXPECT_TRUE(address.ok());
  return address.value();
}

/// A connection between two hosts.
struct Conversation {
  Fd from, to;

  Conversation(const NetworkHosts& hosts, int client, int server, int rail = 0) {
    Fd listener;
    hosts.visit(server, [&] { listener = bootstrap::listen_on(address_of(server, rail)).fd; });
    const auto port = bootstrap::local_address(listener).value().port;
    hosts.visit(client, [&] {
      from = bootstrap::connect_to(address_of(server, rail, port), Deadline::after(kSoon)).fd;
    });
    bootstrap::Address peer;
    EXPECT_TRUE(comes_true(kSoon, [&] {
      to = bootstrap::accept_from(listener, peer).fd;
      return to.valid();
    }));
    EXPECT_EQ(peer.text().substr(0, peer.text().find(':')), NetworkHosts::address(client, rail));
  }
  bool says() const { return ::write(from.get(), "x", 1) == 1; }
  bool hears_within(milliseconds time) const {
    char heard = 0;
    return bootstrap::wait_until_ready(to, POLLIN, Deadline::after(time)) == 0 &&
           ::read(to.get(), &heard, 1) == 1;
  }
};

using NetworkHostsTest = OnHosts;

TEST_F(NetworkHostsTest, reach_each_other_on_every_rail) {
  const NetworkHosts hosts(3, 2);
  for (int client = 0; client < hosts.count(); ++client)
    for (const int rail : {0, 1}) {
      const Conversation talk(hosts, client, (client + 1) % hosts.count(), rail);
      EXPECT_TRUE(talk.says());
      EXPECT_TRUE(talk.hears_within(kSoon));
    }
}

TEST_F(NetworkHostsTest, share_no_network_otherwise_and_count_as_different) {
  const NetworkHosts hosts(2);
  std::set<std::string> identities{topology::host_identity()};
  for (const int host : {0, 1})
    hosts.visit(host, [&] { identities.insert(topology::host_identity()); });
  EXPECT_EQ(identities.size(), 3u);
  Fd listener;
  hosts.visit(0, [&] { listener = bootstrap::listen_on(bootstrap::Address{}.loopback()).fd; });
  const auto address = bootstrap::local_address(listener).value();
  hosts.visit(1, [&] {
    EXPECT_EQ(bootstrap::connect_to(address, Deadline::after(kSoon)).error, ECONNREFUSED);
  });
}

TEST_F(NetworkHostsTest, an_unplugged_host_hears_nothing_until_it_is_plugged_in_again) {
  const NetworkHosts hosts(3, 2);
  const Conversation cut(hosts, 0, 1), other_host(hosts, 0, 2), other_rail(hosts, 0, 1, 1);
  hosts.unplug(1);
  EXPECT_TRUE(cut.says());
  EXPECT_FALSE(cut.hears_within(milliseconds(300)));
  for (const Conversation* whole : {&other_host, &other_rail}) {
    EXPECT_TRUE(whole->says());
    EXPECT_TRUE(whole->hears_within(kSoon));
  }
  hosts.plug_in(1);
  EXPECT_TRUE(cut.hears_within(kSoon));
}

TEST_F(NetworkHostsTest, an_interface_that_is_turned_off_comes_back) {
  const NetworkHosts hosts(2);
  const Conversation talk(hosts, 0, 1);
  hosts.turn_off(1);
  EXPECT_TRUE(talk.says());
  EXPECT_FALSE(talk.hears_within(milliseconds(300)));
  hosts.turn_on(1);
  EXPECT_TRUE(talk.hears_within(kSoon));
}

std::set<ino_t> network_namespaces() {
  std::set<ino_t> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    struct stat status {};
    const std::string space = entry.path().string() + "/ns/net";
    if (::stat(space.c_str(), &status) == 0) found.insert(status.st_ino);
  }
  return found;
}

TEST_F(NetworkHostsTest, end_with_the_process_that_made_them_however_it_ends) {
  int said[2];
  ASSERT_EQ(::pipe(said), 0);
  const pid_t maker = ::fork();
  if (maker == 0) {
    const NetworkHosts hosts(2);
    hosts.enter(1);  // so that the namespace shows in /proc
    struct stat status {};
    ::stat("/proc/self/ns/net", &status);
    static_cast<void>(!::write(said[1], &status.st_ino, sizeof status.st_ino));
    for (;;) ::pause();
  }
  ino_t host = 0;
  ASSERT_EQ(::read(said[0], &host, sizeof host), static_cast<ssize_t>(sizeof host));
  EXPECT_TRUE(network_namespaces().contains(host));
  ::kill(maker, SIGKILL);
  ::waitpid(maker, nullptr, 0);
  EXPECT_FALSE(network_namespaces().contains(host));
  EXPECT_FALSE(std::filesystem::exists(fmt::format("/proc/{}", maker)));
  for (const int end : said) ::close(end);
}

}  // namespace
}  // namespace sluice::test
