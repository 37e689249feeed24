#include "sluice_perf/run_ranks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.hpp"

namespace sluice::perf {
namespace {

bool write_all(int descriptor, const UniqueId& id) {
  return write(descriptor, id.bytes.data(), id.bytes.size()) ==
         static_cast<ssize_t>(id.bytes.size());
}

/// False at the end of file: whoever was to write has gone.
bool read_all(int descriptor, UniqueId& id) {
  std::size_t got = 0;
  while (got < id.bytes.size()) {
    const ssize_t n = read(descriptor, id.bytes.data() + got, id.bytes.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    got += static_cast<std::size_t>(n);
  }
  return true;
}

bool create_id(UniqueId& id) {
  auto made = UniqueId::create();
  if (made.ok())
    id = made.value();
  else
    fmt::print(stderr, "sluice-perf: {}\n", last_error());
  return made.ok();
}

struct Pipe {
  Fd read_end;
  Fd write_end;
};

/// The ranks as child processes. Rank 0 makes the unique id after the fork (making it starts a
/// thread, and a process with threads must not fork); this process passes it on to the others
/// through pipes.
class Processes {
 public:
  Processes(int ranks, const RankBody& body) : ranks_(ranks), body_(body) {}
  ~Processes() { kill_all(); }

  int run();

 private:
  bool start(int rank);
  [[noreturn]] void child(int rank, pid_t parent);
  void pass_id_on();
  int wait_for_all();
  bool reap(bool block, int& code);
  void kill_all();

  const int ranks_;
  const RankBody& body_;
  Pipe from_root_;
  std::vector<Pipe> to_rank_;
  std::vector<pid_t> children_;  // 0: has ended
};

bool open_pipe(Pipe& pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    fmt::print(stderr, "sluice-perf: no pipe: {}\n", std::strerror(errno));
    return false;
  }
  pipe = {Fd(ends[0]), Fd(ends[1])};
  return true;
}

void Processes::child(int rank, pid_t parent) {
  // Nothing outlives this run, however the parent ends.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  Place place{UniqueId{}, rank, ranks_, 1};
  // Only the ends that this rank uses stay open: a copy of a writing end here would hide from its
  // reader that the writer has died.
  Fd answer = std::move(from_root_.write_end);
  Fd question = std::move(to_rank_[static_cast<std::size_t>(rank)].read_end);
  from_root_ = {};
  to_rank_.clear();
  bool known = false;
  if (rank == 0) {
    known = create_id(*place.id) && write_all(answer.get(), *place.id);
    answer.reset();
  } else {
    answer.reset();
    known = read_all(question.get(), *place.id);
  }
  const int code = known ? body_(place) : 1;
  std::exit(code);  // not _exit: rank 0 serves the rendezvous, and says goodbye at exit
}

bool Processes::start(int rank) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) child(rank, parent);
  if (pid < 0) {
    fmt::print(stderr, "sluice-perf: cannot start rank {}: {}\n", rank, std::strerror(errno));
    return false;
  }
  children_.push_back(pid);
  return true;
}

void Processes::pass_id_on() {
  signal(SIGPIPE, SIG_IGN);  // of a rank that has died already; its end is reported below
  from_root_.write_end.reset();
  UniqueId id;
  if (read_all(from_root_.read_end.get(), id)) {
    for (Pipe& pipe : to_rank_) static_cast<void>(write_all(pipe.write_end.get(), id));
  }
  to_rank_.clear();  // without an id the ranks see the end of file and leave
}

/// Waits for one child. Its bad end becomes `code`. False: none has ended (or, blocking, none is
/// left).
bool Processes::reap(bool block, int& code) {
  int state = 0;
  const pid_t pid = waitpid(-1, &state, block ? 0 : WNOHANG);
  if (pid <= 0) return pid < 0 && errno == EINTR;
  for (std::size_t rank = 0; rank < children_.size(); ++rank) {
    if (children_[rank] != pid) continue;
    children_[rank] = 0;
    if (WIFSIGNALED(state)) {
      fmt::print(stderr, "sluice-perf: rank {} (process {}) was ended by signal {} ({})\n", rank,
                 pid, WTERMSIG(state), strsignal(WTERMSIG(state)));
      code = 1;
    } else if (const int exit_code = WEXITSTATUS(state); exit_code != 0) {
      // With 1 the rank has said why.
      if (exit_code != 1)
        fmt::print(stderr, "sluice-perf: rank {} (process {}) ended with exit code {}\n", rank, pid,
                   exit_code);
      code = 1;
    }
  }
  return true;
}

int Processes::wait_for_all() {
  using Clock = std::chrono::steady_clock;
  // The library tells the other ranks of a death within two seconds.
  constexpr auto kGrace = std::chrono::seconds(5);
  int code = 0;
  const auto alive = [this] {
    return std::any_of(children_.begin(), children_.end(), [](pid_t pid) { return pid != 0; });
  };
  while (alive() && code == 0)
    if (!reap(true, code)) break;
  const auto deadline = Clock::now() + kGrace;
  while (alive() && Clock::now() < deadline)
    if (!reap(false, code)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (std::size_t rank = 0; rank < children_.size(); ++rank) {
    if (children_[rank] == 0) continue;
    fmt::print(stderr, "sluice-perf: rank {} (process {}) does not end: killed\n", rank,
               children_[rank]);
    code = 1;
  }
  kill_all();
  return code;
}

void Processes::kill_all() {
  for (pid_t& pid : children_) {
    if (pid == 0) continue;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    pid = 0;
  }
}

int Processes::run() {
  std::fflush(nullptr);  // the children must not print it again
  to_rank_.resize(static_cast<std::size_t>(ranks_));
  if (!open_pipe(from_root_)) return 1;
  for (Pipe& pipe : to_rank_)
    if (!open_pipe(pipe)) return 1;
  for (int rank = 0; rank < ranks_; ++rank)
    if (!start(rank)) return 1;
  pass_id_on();
  return wait_for_all();
}

}  // namespace

int run_processes(int ranks, const RankBody& body) { return Processes(ranks, body).run(); }

int run_threads(int ranks, const RankBody& body) {
  UniqueId id;
  if (!create_id(id)) return 1;
  std::atomic<int> code{0};
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      if (const int mine = body({id, rank, ranks, ranks}); mine != 0) code = mine;
    });
  }
  threads.clear();  // joins
  return code;
}

int run_ranks(const CommandLine& line) {
  const auto body = [&](const Place& place) { return run_rank(line, place); };
  if (line.processes > 0) return run_processes(line.processes, body);
  if (line.threads > 0) return run_threads(line.threads, body);
  return body({});
}

}  // namespace sluice::perf
