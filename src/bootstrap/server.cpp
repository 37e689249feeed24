#include "bootstrap/server.hpp"

#include <pthread.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "bootstrap/server_loop.hpp"
#include "bootstrap/thread.hpp"

namespace sluice::bootstrap {

struct Server::Thread {
  Thread(Setup setup, Fd wake) : loop(std::move(setup), std::move(wake)) {}

  ServerLoop loop;
  std::atomic<bool> finished{false};
  std::mutex join_mutex;
  std::thread thread;
  unsigned generation = fork_generation();
};

/// Keeps the process's servers alive and ends them, with a goodbye, when the process ends.
class Server::Registry {
 public:
  static Registry& instance() {
    static Registry registry;
    return registry;
  }

  void add(const std::shared_ptr<Server>& server) {
    const std::lock_guard lock(mutex_);
    std::erase_if(servers_, [](const auto& each) { return each->finished(); });
    servers_.push_back(server);
  }

 private:
  // The locks at fork keep the mutex usable in a child, which inherits the list but none of the
  // threads.
  Registry() {
    ::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                     [] { instance().mutex_.unlock(); });
  }

  std::mutex mutex_;
  std::vector<std::shared_ptr<Server>> servers_;
};

Result<std::shared_ptr<Server>> Server::start(Setup setup) {
  OpenResult wake = make_wake_event();
  if (!wake.fd.valid())
    return fail_os("no event descriptor", "the rendezvous got no event descriptor", wake.error);
  auto state = std::make_unique<Thread>(std::move(setup), std::move(wake.fd));
  Thread* running = state.get();
  SLUICE_TRY_ASSIGN(state->thread, start_thread("sluice-server", [running] {
                      running->loop.run();
                      running->finished.store(true);
                    }));
  std::shared_ptr<Server> server(new Server(std::move(state)));
  Registry::instance().add(server);
  return server;
}

Server::Server(std::unique_ptr<Thread> thread) : thread_(std::move(thread)) {}

Server::~Server() {
  if (thread_->generation != fork_generation()) {
    (void)thread_.release();  // a forked child: the thread was never here, and cannot be joined
    return;
  }
  stop();
}

void Server::stop() {
  if (thread_->generation != fork_generation()) return;
  thread_->loop.stop();
  const std::lock_guard lock(thread_->join_mutex);
  if (thread_->thread.joinable()) thread_->thread.join();
}

bool Server::finished() const {
  return thread_->generation != fork_generation() || thread_->finished.load();
}

}  // namespace sluice::bootstrap
