#include "support/network_hosts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "support/observation.hpp"

namespace sluice::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(fmt::format("{}: {}", what, std::strerror(errno)));
}

Fd own_namespace() {
  Fd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd) fail("/proc/thread-self/ns/net");
  return fd;
}

/// This thread's visit to another namespace.
class Visit {
 public:
  explicit Visit(const Fd& to) : home_(own_namespace()) {
    if (::setns(to.get(), CLONE_NEWNET) != 0) fail("setns");
  }
  ~Visit() {
    if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();  // everything else would go wrong
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

 private:
  Fd home_;
};

Fd new_namespace() {
  const Fd home = own_namespace();
  if (::unshare(CLONE_NEWNET) != 0) fail("unshare");
  Fd made = own_namespace();
  if (::setns(home.get(), CLONE_NEWNET) != 0) fail("setns");
  return made;
}

void run(const Fd& where, const std::string& command) {
  const Visit visit(where);
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error(fmt::format("'{}' failed", command));
}
void ip(const Fd& where, const std::string& arguments) { run(where, "ip " + arguments); }

/// As other processes can open it.
std::string path_of(const Fd& fd) { return fmt::format("/proc/{}/fd/{}", ::getpid(), fd.get()); }

char letter(int rail) { return static_cast<char>('a' + rail); }
std::string interface(int rail) { return fmt::format("{}0", letter(rail)); }
std::string port(int host, int rail) { return fmt::format("{}-{}", letter(rail), host); }

bool has_carrier(const std::string& name) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  return ::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 &&
         (request.ifr_flags & IFF_RUNNING) != 0;
}

std::string find_obstacle() {
  if (std::system("ip -Version >/dev/null 2>&1") != 0) return "there is no ip (iproute2)";
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(::unshare(CLONE_NEWNET) == 0 ? 0 : 1);
  int status = -1;
  if (pid < 0 || ::waitpid(pid, &status, 0) != pid || status != 0)
    return "this process may not make network namespaces (CAP_SYS_ADMIN)";
  return {};
}

}  // namespace

const std::string& NetworkHosts::obstacle() {
  static const std::string found = find_obstacle();
  return found;
}

NetworkHosts::NetworkHosts(int count, int rails) : switch_(new_namespace()) {
  for (int host = 0; host < count; ++host) {
    hosts_.push_back(new_namespace());
    ip(hosts_.back(), "link set lo up");
  }
  for (int rail = 0; rail < rails; ++rail) {
    ip(switch_, fmt::format("link add rail-{} type bridge", letter(rail)));
    ip(switch_, fmt::format("link set rail-{} up", letter(rail)));
    for (int host = 0; host < count; ++host) connect(host, rail);
  }
  await_links(rails);
}

void NetworkHosts::connect(int host, int rail) const {
  const Fd& there = hosts_[static_cast<std::size_t>(host)];
  ip(there, fmt::format("link add {} type veth peer name {} netns {}", interface(rail),
                        port(host, rail), path_of(switch_)));
  ip(switch_, fmt::format("link set {} master rail-{} up", port(host, rail), letter(rail)));
  ip(there, fmt::format("address add {}/24 dev {}", address(host, rail), interface(rail)));
  ip(there, fmt::format("link set {} up", interface(rail)));
}

void NetworkHosts::await_links(int rails) const {
  for (const Fd& host : hosts_) {
    const Visit visit(host);
    for (int rail = 0; rail < rails; ++rail)
      if (!comes_true(std::chrono::seconds(10), [&] { return has_carrier(interface(rail)); }))
        throw std::runtime_error(fmt::format("{} does not come up", interface(rail)));
  }
}

std::string NetworkHosts::address(int host, int rail) {
  return fmt::format("10.{}.0.{}", rail == 0 ? 10 : 20, host + 1);
}

void NetworkHosts::enter(int host) const {
  if (::setns(hosts_[static_cast<std::size_t>(host)].get(), CLONE_NEWNET) != 0) fail("setns");
  ::setenv("SLUICE_ROOT_ADDRESS", address(host).c_str(), 1);
}

void NetworkHosts::visit(int host, const std::function<void()>& body) const {
  const Visit visit(hosts_[static_cast<std::size_t>(host)]);
  body();
}

void NetworkHosts::limit(int host, const char* rate, int rail) const {
  run(hosts_[static_cast<std::size_t>(host)],
      fmt::format("tc qdisc add dev {} root tbf rate {} burst 128kb latency 20ms", interface(rail),
                  rate));
}
void NetworkHosts::unplug(int host, int rail) const {
  ip(switch_, fmt::format("link set {} down", port(host, rail)));
}
void NetworkHosts::plug_in(int host, int rail) const {
  ip(switch_, fmt::format("link set {} up", port(host, rail)));
}
void NetworkHosts::turn_off(int host, int rail) const {
  ip(hosts_[static_cast<std::size_t>(host)], fmt::format("link set {} down", interface(rail)));
}
void NetworkHosts::turn_on(int host, int rail) const {
  ip(hosts_[static_cast<std::size_t>(host)], fmt::format("link set {} up", interface(rail)));
}

}  // namespace sluice::test
