// The host arithmetic, one core: reductions per type, source count, size and instruction set, and
// copies.
//
// bytes_per_second counts the output; a reduction of n sources moves (n + 1) times as much.
// Names: reduce/<instruction set>/<type>/<op>/sources:<n>/bytes:<b>, copy/bytes:<b>,
// copy_streaming/bytes:<b>.
#include <benchmark/benchmark.h>
#include <hwy/targets.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "compute/reduce.hpp"
#include "sluice/types.hpp"

namespace {

using sluice::DataType;
using sluice::ReduceOp;
namespace compute = sluice::compute;

constexpr std::size_t kSizes[] = {64, 8 << 10, 256 << 10, 16 << 20};
constexpr std::size_t kPageBytes = 2 << 20;

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

/// Zeroed memory for `count` buffers, each on pages of its own but at different offsets from them,
/// so that the buffers do not meet in the same cache sets.
class Buffers {
 public:
  Buffers(std::size_t count, std::size_t bytes)
      : stride_((bytes / kPageBytes + 1) * kPageBytes + kStagger),
        memory_(std::aligned_alloc(kPageBytes, (count * stride_ / kPageBytes + 1) * kPageBytes)) {
    std::memset(memory_.get(), 0, count * stride_);
  }
  void* operator[](std::size_t i) const { return static_cast<char*>(memory_.get()) + i * stride_; }

 private:
  static constexpr std::size_t kStagger = 3 * 4096 + 256;
  std::size_t stride_;
  std::unique_ptr<void, Free> memory_;
};

void use_instruction_set(std::int64_t set) {
  hwy::SetSupportedTargetsForTest(set);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

void reduce(benchmark::State& state, std::int64_t set, DataType type, ReduceOp op, unsigned sources,
            std::size_t bytes, bool streaming) {
  use_instruction_set(set);
  const Buffers buffers(sources + 1, bytes);
  std::vector<const void*> inputs;
  for (unsigned s = 0; s < sources; ++s) inputs.push_back(buffers[s]);
  void* const output = buffers[sources];
  const compute::ReduceFunction kernel = compute::reduce_function(type, op);
  const compute::ReduceArguments arguments{&output,
                                           1,
                                           inputs.data(),
                                           sources,
                                           bytes / sluice::size_in_bytes(type),
                                           0,
                                           streaming ? 1u : 0u};
  for (auto _ : state) {
    kernel(arguments);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

template <class CopyFunction>
void copy(benchmark::State& state, CopyFunction function, std::size_t bytes) {
  use_instruction_set(0);
  const Buffers buffers(2, bytes);
  for (auto _ : state) {
    function(buffers[1], buffers[0], bytes);
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

std::vector<std::int64_t> instruction_sets() {
  std::vector<std::int64_t> sets;
#if HWY_ARCH_X86
  const std::int64_t usable = hwy::SupportedTargets();
  for (const std::int64_t set : {HWY_AVX3, HWY_AVX2, HWY_SSE4})
    if ((usable & set) != 0) sets.push_back(set);
#else
  sets.push_back(hwy::SupportedTargets());
#endif
  return sets;
}

void register_reduce(std::int64_t set, DataType type, ReduceOp op) {
  const std::string prefix = std::string("reduce/") + hwy::TargetName(set & -set) + "/" +
                             std::string(name(type)) + "/" + std::string(name(op)) + "/sources:";
  for (const unsigned sources : {2u, 4u}) {
    for (const std::size_t bytes : kSizes) {
      const std::string title =
          prefix + std::to_string(sources) + "/bytes:" + std::to_string(bytes);
      benchmark::RegisterBenchmark(title.c_str(), reduce, set, type, op, sources, bytes, false);
      if (bytes == kSizes[3])
        benchmark::RegisterBenchmark((title + "/streaming").c_str(), reduce, set, type, op, sources,
                                     bytes, true);
    }
  }
}

void register_all() {
  for (const std::int64_t set : instruction_sets()) {
    for (const DataType type : {DataType::kFloat32, DataType::kFloat16, DataType::kBfloat16,
                                DataType::kFloat8E4M3, DataType::kFloat8E5M2, DataType::kInt32})
      register_reduce(set, type, ReduceOp::kSum);
    register_reduce(set, DataType::kFloat32, ReduceOp::kMax);
  }
  for (const std::size_t bytes : {64, 256, 1024, 8 << 10, 64 << 10, 256 << 10, 1 << 20, 16 << 20}) {
    const std::string suffix = "/bytes:" + std::to_string(bytes);
    benchmark::RegisterBenchmark(("copy" + suffix).c_str(), copy<decltype(&compute::copy)>,
                                 &compute::copy, bytes);
    benchmark::RegisterBenchmark(("copy_streaming" + suffix).c_str(),
                                 copy<decltype(&compute::copy_streaming)>, &compute::copy_streaming,
                                 bytes);
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
