// Times one collective of Gloo over TCP, on the loopback interface or between hosts that are
// network namespaces. Starts its own ranks.
//
// Gloo has two families: functions that sleep until a progress thread wakes them, and classes whose
// sockets can be polled without sleeping. Every size tries all candidates for a few calls and then
// measures the fastest.
#include <gloo/allgather.h>
#include <gloo/allgather_ring.h>
#include <gloo/allreduce.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/allreduce_ring_chunked.h>
#include <gloo/alltoall.h>
#include <gloo/broadcast.h>
#include <gloo/broadcast_one_to_all.h>
#include <gloo/math.h>
#include <gloo/reduce_scatter.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>

#include "peer.hpp"

namespace {

using compare::Shape;
using SharedContext = std::shared_ptr<gloo::Context>;
constexpr int kMaxRanks = 64;
constexpr std::chrono::seconds kTimeout{20};
constexpr double kBarrierTimeoutUs = 1e6 * kTimeout.count();

struct Board {  // in memory that all ranks share
  std::atomic<std::uint64_t> arrived;
  double values[2][kMaxRanks];  // the next round writes while a slow rank still reads this one
};

/// Ranks of one machine, its network namespaces too, agree through shared memory, so that timing
/// does not depend on Gloo.
class BoardControl : public compare::Control {
 public:
  BoardControl(Board& board, int rank, int ranks) : board_(board), rank_(rank), ranks_(ranks) {}
  void barrier() override { exchange(0); }
  double max(double value) override {
    const double* all = exchange(value);
    return *std::max_element(all, all + ranks_);
  }
  double sum(double value) override {
    const double* all = exchange(value);
    double total = 0;
    for (int r = 0; r < ranks_; ++r) total += all[r];
    return total;
  }

 private:
  const double* exchange(double value) {
    double* values = board_.values[round_ % 2];
    values[rank_] = value;
    const std::uint64_t target = ++round_ * static_cast<std::uint64_t>(ranks_);
    board_.arrived.fetch_add(1, std::memory_order_acq_rel);  // pairs with the load below
    const double start = compare::now_us();
    while (board_.arrived.load(std::memory_order_acquire) < target) {
      const double waited_us = compare::now_us() - start;
      if (waited_us > kBarrierTimeoutUs)
        throw std::runtime_error("a rank did not reach the barrier");
      // Sleep soon: a waiting rank that keeps its core keeps another rank's progress thread from it
      // for a whole time slice (4 ms a call were seen).
      if (waited_us < 20)
        sched_yield();
      else
        usleep(20);
    }
    return values;
  }

  Board& board_;
  int rank_, ranks_;
  std::uint64_t round_ = 0;
};

SharedContext connect(const compare::Options& options, const std::string& store_path, int rank,
                      bool poll) {
  const int ranks = options.ranks;
  gloo::transport::tcp::attr attributes("127.0.0.1");
  if (!options.hosts.empty()) {
    attributes.hostname.clear();
    attributes.iface = "a0";
  }
  auto device = gloo::transport::tcp::CreateDevice(attributes);
  auto context = std::make_shared<gloo::rendezvous::Context>(rank, ranks);
  context->setTimeout(kTimeout);
  gloo::rendezvous::FileStore store(store_path);
  context->connectFullMesh(store, device);
  for (int peer = 0; poll && peer < ranks; ++peer)
    if (peer != rank) context->getPair(peer)->setSync(true, true);
  return context;
}

struct Candidate {
  std::string name;
  std::function<void()> call;
};

/// What one size runs on: two meshes, one that sleeps and one that polls, and the buffers.
struct Setting {
  SharedContext sleeping, polling;
  float *in, *out, *scratch;
};

void add_floats(void* sum, const void* left, const void* right, std::size_t count) {
  gloo::sum<float>(sum, left, right, count);
}

std::vector<Candidate> all_reduce(const Setting& s, const Shape& shape) {
  std::vector<Candidate> found;
  const std::size_t elems = shape.in_elems;
  const auto with = [&](const char* name, gloo::AllreduceOptions::Algorithm algorithm) {
    found.push_back({name, [=] {
                       gloo::AllreduceOptions options(s.sleeping);
                       options.setInput(s.in, elems);
                       options.setOutput(s.out, elems);
                       options.setAlgorithm(algorithm);
                       options.setReduceFunction(add_floats);
                       gloo::allreduce(options);
                     }});
  };
  with("ring", gloo::AllreduceOptions::Algorithm::RING);
  with("bcube", gloo::AllreduceOptions::Algorithm::BCUBE);
  const auto in_place = [&](const char* name, std::shared_ptr<gloo::Algorithm> algorithm) {
    found.push_back({name, [=] {  // the classes reduce in place; the user has two buffers
                       std::memcpy(s.out, s.in, elems * sizeof(float));
                       algorithm->run();
                     }});
  };
  using Pointers = std::vector<float*>;
  const int count = static_cast<int>(elems);
  in_place("halving_doubling_poll", std::make_shared<gloo::AllreduceHalvingDoubling<float>>(
                                        s.polling, Pointers{s.out}, count));
  in_place("halving_doubling", std::make_shared<gloo::AllreduceHalvingDoubling<float>>(
                                   s.sleeping, Pointers{s.out}, count));
  in_place("ring_chunked_poll",
           std::make_shared<gloo::AllreduceRingChunked<float>>(s.polling, Pointers{s.out}, count));
  return found;
}

std::vector<Candidate> reduce_scatter(const Setting& s, const Shape& shape) {
  std::vector<Candidate> found;
  const std::vector<int> counts(static_cast<std::size_t>(shape.ranks),
                                static_cast<int>(shape.block_elems));
  for (const bool poll : {true, false}) {
    auto algorithm = std::make_shared<gloo::ReduceScatterHalvingDoubling<float>>(
        poll ? s.polling : s.sleeping, std::vector<float*>{s.scratch},
        static_cast<int>(shape.in_elems), counts);
    found.push_back({poll ? "halving_doubling_poll" : "halving_doubling", [=] {
                       std::memcpy(s.scratch, s.in,
                                   shape.in_elems * sizeof(float));  // it overwrites its input
                       algorithm->run();
                       std::memcpy(s.out, s.scratch, shape.out_elems * sizeof(float));
                     }});
  }
  return found;
}

std::vector<Candidate> all_gather(const Setting& s, const Shape& shape) {
  std::vector<Candidate> found;
  found.push_back({"allgather", [=] {
                     gloo::AllgatherOptions options(s.sleeping);
                     options.setInput(s.in, shape.in_elems);
                     options.setOutput(s.out, shape.out_elems);
                     gloo::allgather(options);
                   }});
  auto ring = std::make_shared<gloo::AllgatherRing<float>>(
      s.polling, std::vector<const float*>{s.in}, s.out, static_cast<int>(shape.block_elems));
  found.push_back({"ring_poll", [=] { ring->run(); }});
  return found;
}

std::vector<Candidate> all_to_all(const Setting& s, const Shape& shape) {
  return {{"alltoall", [=] {
             gloo::AlltoallOptions options(s.sleeping);
             options.setInput(s.in, shape.in_elems);
             options.setOutput(s.out, shape.out_elems);
             gloo::alltoall(options);
           }}};
}

std::vector<Candidate> broadcast(const Setting& s, const Shape& shape) {
  std::vector<Candidate> found;
  found.push_back({"broadcast", [=] {
                     gloo::BroadcastOptions options(s.sleeping);
                     options.setOutput(s.out, shape.out_elems);
                     options.setRoot(0);
                     gloo::broadcast(options);
                   }});
  auto one_to_all = std::make_shared<gloo::BroadcastOneToAll<float>>(
      s.polling, std::vector<float*>{s.out}, shape.out_elems);
  found.push_back({"one_to_all_poll", [=] { one_to_all->run(); }});
  return found;
}

std::vector<Candidate> send_receive(const Setting& s, const Shape& shape) {
  const int next = (shape.rank + 1) % shape.ranks,
            previous = (shape.rank + shape.ranks - 1) % shape.ranks;
  std::shared_ptr<gloo::transport::UnboundBuffer> source =
      s.sleeping->createUnboundBuffer(s.in, shape.in_elems * sizeof(float));
  std::shared_ptr<gloo::transport::UnboundBuffer> destination =
      s.sleeping->createUnboundBuffer(s.out, shape.out_elems * sizeof(float));
  return {{"unbound", [=] {
             destination->recv(previous, 0);
             source->send(next, 0);
             source->waitSend(kTimeout);
             destination->waitRecv(kTimeout);
           }}};
}

std::vector<Candidate> all_candidates(const Setting& setting, const Shape& shape) {
  if (shape.collective == "all_reduce") return all_reduce(setting, shape);
  if (shape.collective == "reduce_scatter") return reduce_scatter(setting, shape);
  if (shape.collective == "all_gather") return all_gather(setting, shape);
  if (shape.collective == "all_to_all") return all_to_all(setting, shape);
  if (shape.collective == "broadcast") return broadcast(setting, shape);
  return send_receive(setting, shape);
}

/// Polling sockets write without reading: ranks whose messages exceed the sockets' buffers can wait
/// for each other until Gloo's timeout (seen with 64 MiB).
std::vector<Candidate> candidates(const Setting& setting, const Shape& shape) {
  constexpr std::size_t kMostPolled_elems = (std::size_t{1} << 20) / sizeof(float);
  std::vector<Candidate> all = all_candidates(setting, shape);
  const bool safe = shape.collective == "broadcast";  // one direction only
  if (!safe && std::max(shape.in_elems, shape.out_elems) > kMostPolled_elems)
    std::erase_if(all,
                  [](const Candidate& candidate) { return candidate.name.ends_with("_poll"); });
  return all;
}

void prepare_output(const Shape& shape, const float* in, compare::Buffer& out) {
  out.clear(shape.out_elems);
  if (shape.collective == "broadcast" && shape.rank == 0)
    std::memcpy(out.data(), in, shape.out_elems * sizeof(float));
}

/// The fastest candidate over a few calls; every rank finds the same one.
const Candidate& fastest(compare::Control& control, const compare::Options& options,
                         const std::vector<Candidate>& all) {
  const Candidate* best = nullptr;
  double best_us = 0;
  for (const Candidate& candidate : all) {
    if (all.size() == 1) return candidate;
    double us = compare::time_batch(control, 1, candidate.call);
    for (int i = 0; i < 2 && us < options.size_us; ++i)
      us = compare::time_batch(
          control, std::clamp<std::uint64_t>(static_cast<std::uint64_t>(500 / us), 1, 50),
          candidate.call);
    if (best == nullptr || us < best_us) best = &candidate, best_us = us;
  }
  return *best;
}

void measure_rank(const compare::Options& options, const std::string& store, Board& board,
                  int rank) {
  BoardControl control(board, rank, options.ranks);
  const std::size_t largest = *std::max_element(options.sizes.begin(), options.sizes.end());
  compare::Buffer in(largest), out(largest);
  std::optional<compare::Buffer> scratch;
  if (options.collective == "reduce_scatter") scratch.emplace(largest);
  const Setting setting{connect(options, store + "/sleeping", rank, false),
                        connect(options, store + "/polling", rank, true), in.data(), out.data(),
                        scratch ? scratch->data() : nullptr};
  if (options.pin)
    compare::pin_to_core(rank);  // the calling thread only: Gloo's progress threads stay free
  for (const std::size_t bytes : options.sizes) {
    const Shape shape(options.collective, bytes, options.ranks, rank);
    shape.fill(in.data());
    prepare_output(shape, in.data(), out);
    const std::vector<Candidate> all = candidates(setting, shape);
    const Candidate& best = fastest(control, options, all);
    compare::Row row{best.name, compare::measure(control, options, best.call), 0};
    prepare_output(shape, in.data(), out);
    control.barrier();
    best.call();
    row.wrong =
        static_cast<std::uint64_t>(control.sum(static_cast<double>(shape.wrong(out.data()))));
    if (rank == 0) compare::print_row(options, shape, bytes, row);
    control.barrier();  // nobody destroys buffers that another rank still sends to
  }
}

[[noreturn]] void child(const compare::Options& options, const std::string& store, Board& board,
                        int rank) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int status = 0;
  try {
    if (!options.hosts.empty()) compare::enter_host(options.hosts, rank, options.ranks);
    measure_rank(options, store, board, rank);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gloo_peer: rank %d: %s\n", rank, error.what());
    status = 1;
  }
  std::fflush(nullptr);
  std::_Exit(status);  // the meshes are torn down with the process
}

/// Starts the ranks and waits; the first that fails takes the others with it.
int run_ranks(const compare::Options& options, const std::string& store) {
  void* memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  Board* board = new (memory) Board{};
  std::vector<pid_t> ranks;
  for (int rank = 0; rank < options.ranks; ++rank) {
    const pid_t pid = fork();
    if (pid < 0) throw std::runtime_error("fork failed");
    if (pid == 0) child(options, store, *board, rank);
    ranks.push_back(pid);
  }
  int result = 0;
  for (std::size_t done = 0; done < ranks.size(); ++done) {
    int status = 0;
    if (wait(&status) < 0 || status == 0) continue;
    if (result == 0)
      for (const pid_t pid : ranks) kill(pid, SIGKILL);
    result = 1;
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const compare::Options options = compare::parse_options(argc, argv);
    if (options.ranks < 1 || options.ranks > kMaxRanks)
      throw std::invalid_argument("--ranks is 1 to 64");
    std::string store = (std::filesystem::temp_directory_path() / "gloo_peer.XXXXXX").string();
    if (mkdtemp(store.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    std::filesystem::create_directory(store + "/sleeping");
    std::filesystem::create_directory(store + "/polling");
    const int result = run_ranks(options, store);
    std::filesystem::remove_all(store);
    return result;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gloo_peer: %s\n", error.what());
    return 1;
  }
}
