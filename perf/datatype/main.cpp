// sluice-datatype-bench: how fast datatypes are packed and unpacked, shape by shape, beside memcpy
// of the packed bytes, the loops that a programmer would write, and a memcpy a block.
//
// All ways of one shape are measured in turn, sample by sample, so that whatever else the machine
// does meets all of them; medians. GB/s of packed bytes, pack/unpack.
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "cases.hpp"
#include "datatype/movers.hpp"
#include "hand.hpp"

namespace {

using sluice::datatype::Movers;
using sluice::datatype::Shape;
using sluice::datatype::perf::Case;
using Clock = std::chrono::steady_clock;

constexpr int kSamples = 15;
/// A sample repeats the call until it takes about this long.
constexpr double kSampleNs = 2e5;

/// Page-aligned and touched.
class Buffer {
 public:
  explicit Buffer(std::int64_t bytes) : bytes_(static_cast<std::size_t>(bytes) + 4096) {
    memory_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) std::abort();
    for (std::size_t i = 0; i < bytes_; ++i) data()[i] = static_cast<std::byte>(i * 7 + i / 251);
  }
  ~Buffer() { munmap(memory_, bytes_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  std::byte* data() const { return static_cast<std::byte*>(memory_); }

 private:
  std::size_t bytes_;
  void* memory_;
};

double ns_of(const std::function<void()>& call, std::int64_t repeats) {
  const auto start = Clock::now();
  for (std::int64_t i = 0; i < repeats; ++i) call();
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
  return static_cast<double>(ns.count()) / static_cast<double>(repeats);
}

/// The median of each way, in ns a call.
std::vector<double> measure(const std::vector<std::function<void()>>& ways) {
  std::vector<std::int64_t> repeats;
  for (const auto& way : ways) {
    way();
    const double once = std::max(1.0, ns_of(way, 3));
    repeats.push_back(std::max<std::int64_t>(1, static_cast<std::int64_t>(kSampleNs / once)));
  }
  std::vector<std::vector<double>> samples(ways.size());
  for (int s = 0; s < kSamples; ++s)
    for (std::size_t w = 0; w < ways.size(); ++w) samples[w].push_back(ns_of(ways[w], repeats[w]));
  std::vector<double> medians;
  for (auto& of_one : samples) {
    std::nth_element(of_one.begin(), of_one.begin() + kSamples / 2, of_one.end());
    medians.push_back(of_one[kSamples / 2]);
  }
  return medians;
}

/// Whether both ways pack to the same bytes.
bool agree(const Case& c, const Movers& movers, const Buffer& user, const Buffer& packed) {
  const auto bytes = static_cast<std::size_t>(c.packed_bytes());
  const Shape shape = c.shape();
  movers.pack(shape, shape.dimensions[0].count, user.data(), packed.data());
  const std::vector<std::byte> mine(packed.data(), packed.data() + bytes);
  sluice::datatype::perf::pack_by_hand(c, user.data(), packed.data());
  return std::memcmp(mine.data(), packed.data(), bytes) == 0;
}

bool report(const Case& c) {
  const Shape shape = c.shape();
  const std::int64_t outer = shape.dimensions[0].count;
  const std::int64_t bytes = c.packed_bytes();
  const Movers chosen = choose_movers(shape);
  const Movers plain = sluice::datatype::plain_movers();
  const Buffer user_memory(c.user_bytes());
  const Buffer packed_memory(bytes);
  const Buffer other_memory(bytes);
  std::byte* const user = user_memory.data();
  std::byte* const packed = packed_memory.data();
  if (!agree(c, chosen, user_memory, packed_memory)) {
    std::printf("%s: packed differently by hand\n", c.name.c_str());
    return false;
  }
  const std::vector<double> ns = measure({
      [&] { std::memcpy(packed, other_memory.data(), static_cast<std::size_t>(bytes)); },
      [&] { sluice::datatype::perf::pack_by_hand(c, user, packed); },
      [&] { plain.pack(shape, outer, user, packed); },
      [&] { chosen.pack(shape, outer, user, packed); },
      [&] { sluice::datatype::perf::unpack_by_hand(c, packed, user); },
      [&] { plain.unpack(shape, outer, packed, user); },
      [&] { chosen.unpack(shape, outer, packed, user); },
  });
  const auto rate = [&](std::size_t way) { return static_cast<double>(bytes) / ns[way]; };
  std::printf("| %s | %s | %lld | %.1f | %.1f / %.1f | %.1f / %.1f | %.1f / %.1f |\n",
              c.name.c_str(), chosen.name, static_cast<long long>(bytes), rate(0), rate(1), rate(4),
              rate(2), rate(5), rate(3), rate(6));
  std::fflush(stdout);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2) {
    std::fprintf(stderr, "usage: %s [part of a name]\n", argv[0]);
    return 2;
  }
  std::printf("| shape | mover | bytes | memcpy | hand | plain | mover |\n");
  std::printf("|---|---|---:|---:|---:|---:|---:|\n");
  bool right = true;
  for (const Case& c : sluice::datatype::perf::make_cases(argc == 2 ? argv[1] : ""))
    right = report(c) && right;
  return right ? 0 : 1;
}
