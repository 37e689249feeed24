// What every compared library's program shares: options, inputs and their check, the way of timing,
// the output.
//
// A size is timed as sluice-perf times it: some calls to warm up, then several batches of
// back-to-back calls, each batch between two barriers; a batch counts as long as its slowest rank
// took, divided by its calls.
//
// Sizes are nccl-tests': all_gather's bytes are the whole output, reduce_scatter's and all_to_all's
// the whole input, everybody else's the one buffer there is.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace compare {

struct Options {
  std::string peer;                // the name of this peer and setting in the output
  std::string transport;           // what it runs over, for the output
  std::string collective;          // sluice-perf's names
  int ranks = 0;                   // of programs that start their own ranks
  std::vector<std::size_t> sizes;  // in bytes
  int batches = 5;
  double batch_us = 2000;            // how long one batch should take
  double size_us = 300000;           // what all batches of one size may take
  std::uint64_t max_calls = 100000;  // in one batch
  bool pin = false;                  // rank r to core r (for programs whose launcher cannot)
  std::string hosts;  // a set of perf/hosts/namespaces: rank r on its host r (likewise)
};

inline std::vector<std::size_t> parse_sizes(const std::string& text) {
  std::vector<std::size_t> sizes;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::size_t bytes = std::stoull(text.substr(at, comma - at));
    if (bytes == 0 || bytes % sizeof(float) != 0)
      throw std::invalid_argument("a size is not whole floats");
    sizes.push_back(bytes);
    at = comma + 1;
  }
  return sizes;
}

inline Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i], value = argv[i + 1];
    if (key == "--peer")
      options.peer = value;
    else if (key == "--transport")
      options.transport = value;
    else if (key == "--collective")
      options.collective = value;
    else if (key == "--ranks")
      options.ranks = std::stoi(value);
    else if (key == "--sizes")
      options.sizes = parse_sizes(value);
    else if (key == "--batches")
      options.batches = std::max(1, std::stoi(value));
    else if (key == "--batch-us")
      options.batch_us = std::stod(value);
    else if (key == "--size-us")
      options.size_us = std::stod(value);
    else if (key == "--max-calls")
      options.max_calls = std::max(1ULL, std::stoull(value));
    else if (key == "--hosts")
      options.hosts = value;
    else if (key == "--pin")
      options.pin = value == "1";
    else
      throw std::invalid_argument("unknown option " + key);
  }
  if (options.collective.empty() || options.sizes.empty())
    throw std::invalid_argument("--collective and --sizes are needed");
  return options;
}

inline void allow_cores(const cpu_set_t& cores) {
  if (sched_setaffinity(0, sizeof cores, &cores) != 0) std::perror("sched_setaffinity");
}

inline void pin_to_core(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  allow_cores(cores);
}

/// Moves the calling process to a host of the set of `hosts`; to its processors, too, as
/// perf/hosts/namespaces deals them out.
inline void enter_host(const std::string& set, int host, int hosts) {
  const int cores = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  cpu_set_t own;
  CPU_ZERO(&own);
  for (int core = host; core < cores; core += hosts) CPU_SET(core, &own);
  if (cores >= hosts) allow_cores(own);
  const std::string path = "/run/netns/" + set + "-" + std::to_string(host);
  const int space = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (space < 0 || setns(space, CLONE_NEWNET) != 0)
    throw std::runtime_error("cannot enter " + path);
  close(space);
}

/// Memory as any user has it: from the heap, every page touched; aligned as sluice-perf's.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes)
      : data_(static_cast<float*>(::operator new (bytes, std::align_val_t{4096}))),
        elems_(bytes / sizeof(float)) {
    std::fill_n(data_.get(), elems_, 0.0F);
  }
  float* data() { return data_.get(); }
  void clear(std::size_t elems) { std::fill_n(data_.get(), std::min(elems, elems_), -1.0F); }

 private:
  struct Delete {
    void operator()(float* data) const { ::operator delete (data, std::align_val_t{4096}); }
  };
  std::unique_ptr<float, Delete> data_;
  std::size_t elems_;
};

/// Element `index` of rank `rank`'s input: small whole numbers, so that any order of additions
/// gives the same bits.
inline unsigned phase(std::size_t index) {
  return static_cast<unsigned>((index + (index >> 10)) & 15);
}
inline float input_value(int rank, std::size_t index) {
  return static_cast<float>((phase(index) + 3 * static_cast<unsigned>(rank)) & 15);
}

/// One (collective, size) seen from one rank: how many elements go in and come out, and what is
/// right.
struct Shape {
  std::string collective;
  int ranks, rank;
  std::size_t in_elems = 0, out_elems = 0, block_elems = 0;

  Shape(std::string name, std::size_t bytes, int rank_count, int own_rank)
      : collective(std::move(name)), ranks(rank_count), rank(own_rank) {
    const std::size_t elems = bytes / sizeof(float), p = static_cast<std::size_t>(ranks);
    block_elems = elems / p;
    in_elems = out_elems = elems;
    if (collective == "all_gather") in_elems = block_elems, out_elems = block_elems * p;
    if (collective == "reduce_scatter") in_elems = block_elems * p, out_elems = block_elems;
    if (collective == "all_to_all") in_elems = out_elems = block_elems * p;
    if (collective != "all_reduce" && collective != "broadcast" && collective != "send_receive" &&
        collective != "all_gather" && collective != "reduce_scatter" && collective != "all_to_all")
      throw std::invalid_argument("unknown collective " + collective);
    if (in_elems == 0 || out_elems == 0)
      throw std::invalid_argument("less than one element for every rank");
  }

  bool reduces() const { return collective == "all_reduce" || collective == "reduce_scatter"; }

  void fill(float* input) const {
    for (std::size_t i = 0; i < in_elems; ++i) input[i] = input_value(rank, i);
  }

  /// How many elements of `output` are not what they should be.
  std::uint64_t wrong(const float* output) const {
    float sums[16] = {};
    for (int r = 0; r < ranks; ++r)
      for (unsigned k = 0; k < 16; ++k)
        sums[k] += static_cast<float>((k + 3 * static_cast<unsigned>(r)) & 15);
    const std::size_t own = static_cast<std::size_t>(rank) * block_elems;
    const std::size_t first = collective == "reduce_scatter" ? own : 0;
    std::uint64_t count = 0;
    if (reduces()) {
      for (std::size_t i = 0; i < out_elems; ++i) count += output[i] != sums[phase(first + i)];
    } else if (collective == "all_gather" || collective == "all_to_all") {
      const std::size_t from = collective == "all_to_all" ? own : 0;
      for (int r = 0; r < ranks; ++r)
        for (std::size_t i = 0; i < block_elems; ++i)
          count +=
              output[static_cast<std::size_t>(r) * block_elems + i] != input_value(r, from + i);
    } else {
      const int source = collective == "broadcast" ? 0 : (rank + ranks - 1) % ranks;
      for (std::size_t i = 0; i < out_elems; ++i) count += output[i] != input_value(source, i);
    }
    return count;
  }

  /// nccl-tests' factor from algorithm bandwidth to bus bandwidth.
  double bus_factor() const {
    if (collective == "broadcast" || collective == "send_receive") return 1;
    return (collective == "all_reduce" ? 2.0 : 1.0) * (ranks - 1) / ranks;
  }
};

inline double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

/// How a rank agrees with the others on times and counts, beside the library that is measured.
struct Control {
  virtual ~Control() = default;
  virtual void barrier() = 0;
  virtual double max(double value) = 0;
  virtual double sum(double value) = 0;
};

/// The time of one call in a batch of `calls`, of the slowest rank.
template <class Call>
double time_batch(Control& control, std::uint64_t calls, Call&& call) {
  control.barrier();
  const double start = now_us();
  for (std::uint64_t i = 0; i < calls; ++i) call();
  return control.max((now_us() - start) / static_cast<double>(calls));
}

/// Warms up and finds how many calls fill a batch. The same on every rank, because time_batch() is.
template <class Call>
std::uint64_t calibrate(Control& control, const Options& options, Call&& call, double* call_us) {
  std::uint64_t calls = 1;
  double us = time_batch(control, 1, call);  // the first call sets connections up
  for (double spent = 0; spent < options.batch_us / 2;) {
    us = time_batch(control, calls, call);
    spent += us * static_cast<double>(calls);
    if (calls >= options.max_calls) break;
    calls = std::min(calls * 4, options.max_calls);
  }
  *call_us = us;
  const double fit = options.batch_us / std::max(us, 0.01);
  return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(fit), 1, options.max_calls);
}

/// The batches' times, sorted.
template <class Call>
std::vector<double> measure(Control& control, const Options& options, Call&& call) {
  double call_us = 0;
  const std::uint64_t calls = calibrate(control, options, call, &call_us);
  const double affordable = options.size_us / std::max(call_us * static_cast<double>(calls), 0.01);
  const int batches = std::clamp(static_cast<int>(std::min(affordable, 1e6)), 1, options.batches);
  std::vector<double> times;
  for (int i = 0; i < batches; ++i) times.push_back(time_batch(control, calls, call));
  std::sort(times.begin(), times.end());
  return times;
}

struct Row {
  std::string algorithm;
  std::vector<double> times_us;
  std::uint64_t wrong = 0;
};

inline void print_row(const Options& options, const Shape& shape, std::size_t bytes,
                      const Row& row) {
  char host[256] = "?";
  gethostname(host, sizeof host - 1);
  const double median = row.times_us[row.times_us.size() / 2];
  const double algbw = static_cast<double>(bytes) / median / 1e3;
  std::printf(
      "{\"peer\":\"%s\",\"collective\":\"%s\",\"type\":\"float\",\"op\":\"%s\",\"ranks\":%d,"
      "\"threads\":0,"
      "\"bytes\":%zu,\"in_place\":%s,\"algorithm\":\"%s\",\"transport\":\"%s\","
      "\"time_us\":{\"min\":%.4g,\"median\":%.4g,\"max\":%.4g},\"algbw_gbs\":%.4g,\"busbw_gbs\":%."
      "4g,"
      "\"wrong\":%llu,\"host\":\"%s\",\"commit\":\"\"}\n",
      options.peer.c_str(), shape.collective.c_str(), shape.reduces() ? "sum" : "none", shape.ranks,
      bytes, shape.collective == "broadcast" ? "true" : "false", row.algorithm.c_str(),
      options.transport.c_str(), row.times_us.front(), median, row.times_us.back(), algbw,
      algbw * shape.bus_factor(), static_cast<unsigned long long>(row.wrong), host);
  std::fflush(stdout);
}

}  // namespace compare
