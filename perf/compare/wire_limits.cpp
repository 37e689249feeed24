// What one TCP connection between two hosts of a set can do when both ends do nothing but poll it.
// One JSON object a line:
//   one_way   half of a ping-pong of `bytes`
//   exchange  both ends send `bytes` and receive as many, at the same time
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <span>

#include "peer.hpp"

namespace {

constexpr const char* kAddress = "10.10.0.1";  // of host 0
constexpr std::uint16_t kPort = 29501;
constexpr double kPatience_us = 20e6;

/// One end of the connection, which never sleeps.
class End {
 public:
  explicit End(int socket) : socket_(socket) {
    const int on = 1;
    if (setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(socket_, F_SETFL, O_NONBLOCK) != 0)
      throw std::runtime_error("cannot set up the socket");
  }
  ~End() { close(socket_); }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  /// Sends all of `out` and receives all of `in`, side by side.
  void exchange(std::span<const char> out, std::span<char> in) {
    const double start = compare::now_us();
    for (std::size_t idle = 0; !out.empty() || !in.empty();) {
      const std::size_t before = out.size() + in.size();
      if (!out.empty())
        out = out.subspan(moved(send(socket_, out.data(), out.size(), MSG_NOSIGNAL)));
      if (!in.empty()) in = in.subspan(moved(recv(socket_, in.data(), in.size(), 0)));
      idle = out.size() + in.size() == before ? idle + 1 : 0;
      if (idle % 4096 == 4095 && compare::now_us() - start > kPatience_us)
        throw std::runtime_error("the other end is silent");
    }
  }

 private:
  static std::size_t moved(ssize_t bytes) {
    if (bytes > 0) return static_cast<std::size_t>(bytes);
    if (bytes == 0 || (errno != EAGAIN && errno != EINTR))
      throw std::runtime_error("the connection is gone");
    return 0;
  }
  int socket_;
};

/// The two ends agree over the connection itself.
class EndControl : public compare::Control {
 public:
  explicit EndControl(End& end) : end_(end) {}
  void barrier() override { swap(0); }
  double max(double value) override { return std::max(value, swap(value)); }
  double sum(double value) override { return value + swap(value); }

 private:
  double swap(double mine) {
    char out[sizeof mine], in[sizeof mine];
    std::memcpy(out, &mine, sizeof mine);
    end_.exchange(out, in);
    std::memcpy(&mine, in, sizeof mine);
    return mine;
  }
  End& end_;
};

sockaddr_in address() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kPort);
  inet_pton(AF_INET, kAddress, &address.sin_addr);
  return address;
}

/// Host 0 listens before the other process begins.
int listening_socket() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  const timeval patience{static_cast<time_t>(kPatience_us / 1e6), 0};  // of accept()
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in here = address();
  if (listener < 0 || bind(listener, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
      listen(listener, 1) != 0)
    throw std::runtime_error("cannot listen on host 0");
  return listener;
}

int connected_socket() {
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in there = address();
  if (client < 0 || connect(client, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0)
    throw std::runtime_error("cannot connect to host 0");
  return client;
}

void print(const char* limit, std::size_t bytes, double us) {
  std::printf("{\"limit\":\"%s\",\"cores\":2,\"bytes\":%zu,\"time_us\":%.4g,\"gbs\":%.4g}\n", limit,
              bytes, us, static_cast<double>(bytes) / us / 1e3);
  std::fflush(stdout);
}

void measure_end(End& end, int side, const compare::Options& options) {
  EndControl control(end);
  const std::size_t largest = *std::max_element(options.sizes.begin(), options.sizes.end());
  std::vector<char> sent(largest, 'x'), received(largest, 'y');
  for (const std::size_t bytes : options.sizes) {
    const std::span<const char> out(sent.data(), bytes);
    const std::span<char> in(received.data(), bytes);
    const auto median = [&](auto call) {
      const auto times = compare::measure(control, options, call);
      return times[times.size() / 2];
    };
    const double both_ways = median([&] {
      if (side == 0) end.exchange(out, {});
      end.exchange({}, in);
      if (side == 1) end.exchange(out, {});
    });
    const double together = median([&] { end.exchange(out, in); });
    if (side != 0) continue;
    print("one_way", bytes, both_ways / 2);
    print("exchange", bytes, together);
  }
}

[[noreturn]] void other_host(const compare::Options& options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int status = 0;
  try {
    compare::enter_host(options.hosts, 1, 2);
    End end(connected_socket());
    measure_end(end, 1, options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wire_limits: host 1: %s\n", error.what());
    status = 1;
  }
  std::_Exit(status);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const compare::Options options = compare::parse_options(argc, argv);
    if (options.hosts.empty()) throw std::invalid_argument("--hosts is needed");
    compare::enter_host(options.hosts, 0, 2);
    const int listener = listening_socket();
    const pid_t other = fork();
    if (other < 0) throw std::runtime_error("fork failed");
    if (other == 0) other_host(options);
    End end(accept(listener, nullptr, nullptr));
    close(listener);
    measure_end(end, 0, options);
    int status = 0;
    waitpid(other, &status, 0);
    return status == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wire_limits: %s\n", error.what());
    return 1;
  }
}
