// What this machine can do at best, for the dashed lines of the plots. One JSON object a line:
//   flag    one core's store seen by another core's load (half a round trip, spinning)
//   attach  process_vm_readv of `bytes` from another process, on 1 or more cores at once
//   copy    memcpy of `bytes`
//   stream  the same with stores that go past the caches
// With `--collective flag`, the first only.
// Bandwidths count copied bytes, all cores together; the inputs stay where the caches keep them
// from call to call, as in the comparison itself.
#include <immintrin.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <atomic>
#include <barrier>
#include <csignal>
#include <cstring>
#include <functional>
#include <thread>

#include "peer.hpp"

namespace {

struct alignas(128) Flag {  // two lines: the neighbour line is fetched along
  std::atomic<std::uint64_t> value{0};
};

/// The time of one step of two pinned threads, each of which runs `step(number, own, other)`: the
/// best of ten batches.
template <class Step>
double two_cores_us(Step&& step) {
  constexpr std::uint64_t kSteps = 5000;
  Flag flags[2];
  double best_us = 1e9;
  const auto work = [&](int core) {
    compare::pin_to_core(core);
    std::uint64_t next = 0;
    for (int batch = 0; batch < 10; ++batch) {
      const double start = compare::now_us();
      for (std::uint64_t i = 0; i < kSteps; ++i)
        step(core, ++next, flags[core].value, flags[1 - core].value);
      if (core == 0) best_us = std::min(best_us, (compare::now_us() - start) / kSteps);
    }
  };
  std::thread other(work, 1), caller(work, 0);
  other.join();
  caller.join();
  return best_us;
}

using Word = std::atomic<std::uint64_t>;

void await(const Word& word, std::uint64_t value) {
  while (word.load(std::memory_order_acquire) < value) {  // pairs with the release stores below
  }
}

/// Core 0 speaks first, core 1 answers.
double flag_us() {
  return two_cores_us([](int core, std::uint64_t number, Word& own, const Word& other) {
           if (core == 1) await(other, number);
           own.store(number, std::memory_order_release);
           if (core == 0) await(other, number);
         }) /
         2;
}

void stream_copy(void* out, const void* in, std::size_t bytes) {
  auto* to = static_cast<char*>(out);
  const auto* from = static_cast<const char*>(in);
  std::size_t i = 0;
  for (; i + 64 <= bytes; i += 64)
    for (std::size_t k = 0; k < 64; k += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i + k),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i + k)));
  _mm_sfence();
  std::memcpy(to + i, from + i, bytes - i);
}

/// Another process that holds `bytes` of memory and does nothing.
class Donor {
 public:
  explicit Donor(std::size_t bytes) : memory_(bytes) {
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("fork failed");
    if (pid_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memory_.clear(bytes);  // its own pages, not the parent's
    for (;;) pause();
  }
  Donor(const Donor&) = delete;
  Donor& operator=(const Donor&) = delete;
  ~Donor() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  bool read(void* to, std::size_t bytes) {
    const iovec local{to, bytes}, remote{memory_.data(), bytes};
    return process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(bytes);
  }

 private:
  compare::Buffer memory_;
  pid_t pid_ = -1;
};

using Job = std::function<void(int core)>;

/// The time of one job when `cores` cores do it at once, median of some batches.
double together_us(int cores, double budget_us, const Job& job) {
  std::barrier sync(cores);
  std::atomic<std::uint64_t> calls{1};
  std::vector<double> batches;
  const auto work = [&](int core) {
    compare::pin_to_core(core);
    for (int i = 0; i < 2; ++i) job(core);
    for (int batch = 0; batch < 6; ++batch) {
      sync.arrive_and_wait();
      const double start = compare::now_us();
      for (std::uint64_t i = calls.load(); i > 0; --i) job(core);
      sync.arrive_and_wait();
      if (core == 0) {
        const double us = (compare::now_us() - start) / static_cast<double>(calls.load());
        if (batch > 0) batches.push_back(us);
        calls =
            std::clamp<std::uint64_t>(static_cast<std::uint64_t>(budget_us / 6 / us), 1, 1000000);
      }
      sync.arrive_and_wait();
    }
  };
  std::vector<std::thread> threads;
  for (int core = 0; core < cores; ++core) threads.emplace_back(work, core);
  for (std::thread& thread : threads) thread.join();
  std::sort(batches.begin(), batches.end());
  return batches[batches.size() / 2];
}

void print(const char* limit, int cores, std::size_t bytes, double us) {
  std::printf("{\"limit\":\"%s\",\"cores\":%d,\"bytes\":%zu,\"time_us\":%.4g,\"gbs\":%.4g}\n",
              limit, cores, bytes, us, us > 0 ? cores * static_cast<double>(bytes) / us / 1e3 : 0);
  std::fflush(stdout);
}

void measure_size(std::vector<std::unique_ptr<Donor>>& donors,
                  std::vector<compare::Buffer>& sources, std::vector<compare::Buffer>& targets,
                  std::size_t bytes, double budget_us) {
  const auto in = [&](int core) { return sources[static_cast<std::size_t>(core)].data(); };
  const auto out = [&](int core) { return targets[static_cast<std::size_t>(core)].data(); };
  std::vector<int> core_counts{1, static_cast<int>(sources.size())};
  if (core_counts[1] == 1) core_counts.pop_back();
  for (const int cores : core_counts) {
    print("copy", cores, bytes,
          together_us(cores, budget_us, [&](int c) { std::memcpy(out(c), in(c), bytes); }));
    print("stream", cores, bytes,
          together_us(cores, budget_us, [&](int c) { stream_copy(out(c), in(c), bytes); }));
    std::atomic<bool> failed{false};
    const double us = together_us(cores, budget_us, [&](int c) {
      if (!donors[static_cast<std::size_t>(c)]->read(out(c), bytes)) failed = true;
    });
    if (!failed) print("attach", cores, bytes, us);  // not allowed everywhere
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const compare::Options options =
        compare::parse_options(argc, argv);  // --ranks: how many cores at most
    const int cores =
        std::clamp(options.ranks, 1, static_cast<int>(std::thread::hardware_concurrency()));
    if (cores > 1) print("flag", 2, 8, flag_us());
    if (options.collective == "flag") return 0;
    const std::size_t largest = *std::max_element(options.sizes.begin(), options.sizes.end());
    std::vector<std::unique_ptr<Donor>> donors;
    std::vector<compare::Buffer> sources, targets;
    for (int core = 0; core < cores; ++core) donors.push_back(std::make_unique<Donor>(largest));
    for (int core = 0; core < cores; ++core) {
      sources.emplace_back(largest);
      targets.emplace_back(largest);
    }
    for (const std::size_t bytes : options.sizes)
      measure_size(donors, sources, targets, bytes, options.size_us);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "limits: %s\n", error.what());
    return 1;
  }
}
