// Ranks that cannot meet: nobody listens, or the way there is cut.
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>

#include "on_hosts.hpp"
#include "support/observation.hpp"

namespace sluice::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kTimeout(3'000);

/// What passes between the processes of this test.
struct Board {
  UniqueId id;
  std::atomic<bool> id_made{false};
  Errc code = Errc::kOk;
  char text[1024] = {};
};

class Rendezvous : public OnHosts {
 protected:
  Rendezvous() {
    void* memory =
        ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    board_ = new (memory) Board;
  }
  ~Rendezvous() override { ::munmap(board_, sizeof(Board)); }

  static pid_t on(const NetworkHosts& hosts, int host, const std::function<void()>& body) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::alarm(60);
    hosts.enter(host);
    body();
    ::_exit(0);
  }
  /// A process on host 0 that makes an id and serves it until it is killed.
  pid_t serve(const NetworkHosts& hosts) {
    const pid_t server = on(hosts, 0, [this] {
      const auto id = UniqueId::create();
      if (!id.ok()) ::_exit(1);
      board_->id = id.value();
      board_->id_made = true;
      for (;;) ::pause();
    });
    EXPECT_TRUE(comes_true(milliseconds(10'000), [&] { return board_->id_made.load(); }));
    return server;
  }
  static void end(pid_t process) {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
  }
  /// Joins as rank 1 of 2 from host 1; how long that took.
  milliseconds join(const NetworkHosts& hosts) {
    const auto start = Clock::now();
    const pid_t rank = on(hosts, 1, [this] {
      Options options;
      options.timeout = kTimeout;
      const auto made = Communicator::create(board_->id, 1, 2, options);
      board_->code = made.status().code();
      std::string(last_error()).copy(board_->text, sizeof board_->text - 1);
    });
    ::waitpid(rank, nullptr, 0);
    return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
  }
  bool says(const std::string& part) const {
    return std::string(board_->text).find(part) != std::string::npos;
  }

  Board* board_;
};

TEST_F(Rendezvous, a_port_at_which_nobody_listens_is_named) {
  const NetworkHosts hosts(2);
  end(serve(hosts));
  EXPECT_LT(join(hosts), kTimeout + milliseconds(3'000));
  EXPECT_TRUE(board_->code == Errc::kRemoteError || board_->code == Errc::kTimeout) << board_->text;
  EXPECT_TRUE(says(NetworkHosts::address(0) + ":")) << board_->text;
}

TEST_F(Rendezvous, a_host_that_cannot_be_reached_is_named_within_the_timeout) {
  const NetworkHosts hosts(2);
  const pid_t server = serve(hosts);
  hosts.unplug(0);
  const milliseconds took = join(hosts);
  EXPECT_GE(took, kTimeout - milliseconds(100));
  EXPECT_LT(took, kTimeout + milliseconds(3'000));
  EXPECT_TRUE(board_->code == Errc::kRemoteError || board_->code == Errc::kTimeout) << board_->text;
  EXPECT_TRUE(says(NetworkHosts::address(0) + ":")) << board_->text;
  end(server);
}

TEST_F(Rendezvous, a_rank_that_does_not_come_is_named_across_hosts) {
  const NetworkHosts hosts(2);
  const pid_t server = serve(hosts);
  const milliseconds took = join(hosts);
  EXPECT_LT(took, kTimeout + milliseconds(3'000));
  EXPECT_EQ(board_->code, Errc::kTimeout) << board_->text;
  EXPECT_TRUE(says("rank 0")) << board_->text;
  end(server);
}

}  // namespace
}  // namespace sluice::test
